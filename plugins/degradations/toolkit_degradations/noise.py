"""Noise from a seed of its own: the same record on the same image gives the same values."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

    from toolkit_degradations.history import GaussianNoise, PoissonNoise

_LUMA: Final = (0.2989, 0.5870, 0.1140)
_BUCKETS: Final = 4096
_LEVELS: Final = 256


def gaussian_noise(image: Tensor, noise: GaussianNoise) -> Tensor:
    """What a record of Gaussian noise adds to `[3, h, w]`; `[1, h, w]` where it is gray.

    Example:
        >>> from toolkit_degradations.history import GaussianNoise
        >>> gaussian_noise(torch.zeros(3, 4, 4), GaussianNoise(sigma=5, gray=True, seed=1)).shape
        torch.Size([1, 4, 4])
    """
    channels = 1 if noise.gray else 3
    rng = torch.Generator(image.device).manual_seed(noise.seed)
    shape = (channels, *image.shape[1:])
    values = torch.randn(shape, generator=rng, device=image.device)
    if noise.covariance is not None and not noise.gray:
        values = (_root(noise.covariance).to(image.device) @ values.flatten(1)).view(shape)
    return values * (noise.sigma / 255)


def shot_noise(image: Tensor, noise: PoissonNoise) -> Tensor:
    """What a record of Poisson noise adds to `[3, h, w]`; `[1, h, w]` where it is gray.

    The brightest value stands for as many photons as the image has distinct 8-bit values, rounded
    up to a power of two.

    Source: Real-ESRGAN, section 3.1 (noise); the number of photons is its published code's.

    Example:
        >>> from toolkit_degradations.history import PoissonNoise
        >>> shot_noise(torch.zeros(3, 2, 2), PoissonNoise(scale=1, seed=0)).abs().max()
        tensor(0.)
    """
    counted = _luma(image) if noise.gray else image
    levels = (counted.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    distinct = int(torch.bincount(levels.flatten(), minlength=_LEVELS).count_nonzero())
    photons = 1 << (distinct - 1).bit_length()
    rng = torch.Generator(image.device).manual_seed(noise.seed)
    uniform = torch.rand(levels.shape, generator=rng, device=image.device)
    expected = levels * (photons / 255)
    counts = count_photons(levels, photons, uniform)
    return (counts - expected) * (noise.scale / photons)


def count_photons(levels: Tensor, photons: int, uniform: Tensor) -> Tensor:
    """Poisson counts of mean `levels · photons / 255`, by inverting their distribution, float32.

    A table leads from each level and the first bits of the uniform number to the least count that
    these bits leave open, and says whether it is the only one, as it is in all but a few per cent.

    Args:
        levels: Any shape, uint8.
        photons: What level 255 stands for, 1 to 256.
        uniform: Of the same shape, in [0, 1).
    """
    guide, cumulative = _poisson_tables(photons, str(levels.device))
    rows, uniform = levels.flatten().int(), uniform.flatten()
    places = rows * guide.shape[1] + (uniform * _BUCKETS).int()
    found = guide.view(-1).index_select(0, places)
    counts = (found >> 1).float()
    open_ = torch.nonzero(found & 1)[:, 0]
    lowest = (found[open_] >> 1).int()
    highest = (guide.view(-1).index_select(0, places[open_] + 1) >> 1).int()
    row, wanted = rows[open_] * cumulative.shape[1], uniform[open_]
    for _ in range(int((highest - lowest).max().item()).bit_length() if len(open_) else 0):
        middle = (lowest + highest) // 2
        above = wanted >= cumulative.view(-1).index_select(0, row + middle)
        lowest = torch.where(above, middle + 1, lowest).minimum(highest)
        highest = torch.where(above, highest, middle)
    counts[open_] = lowest.float()
    return counts.view(levels.shape)


@functools.lru_cache(maxsize=16)
def _poisson_tables(photons: int, device: str) -> tuple[Tensor, Tensor]:
    """Guide `[levels, buckets + 1]`, and distribution functions `[levels, counts]`.

    The guide holds twice the least count of a bucket, and one more where there are several: up to
    the least of the next bucket.
    """
    most = math.ceil(photons + 8 * math.sqrt(photons) + 16)
    means = np.arange(_LEVELS)[:, None] * (photons / 255)
    counts = np.arange(most)[None]
    factorials = np.array([math.lgamma(count + 1) for count in range(most)])
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = counts * np.log(means) - means - factorials
    logs[0] = np.where(counts[0] == 0, 0.0, -np.inf)  # of no light, no photon
    cumulative = np.cumsum(np.exp(logs), axis=1)
    cumulative[:, -1] = 2.0  # no uniform number is above it
    edges = np.arange(_BUCKETS + 1) / _BUCKETS
    least = np.stack([np.searchsorted(row, edges, side="right") for row in cumulative])
    several = np.diff(least, axis=1, append=least[:, -1:]) > 0
    guide = 2 * least + several
    return (
        torch.from_numpy(guide.astype(np.int16)).to(device),
        torch.from_numpy(cumulative.astype(np.float32)).to(device),
    )


def _luma(image: Tensor) -> Tensor:
    red, green, blue = image
    luma: Tensor = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    return luma[None]


def _root(covariance: tuple[tuple[float, float, float], ...]) -> Tensor:
    """A matrix that gives uncorrelated values this covariance; its negative part is cut off."""
    values, vectors = np.linalg.eigh(np.array(covariance))
    return torch.from_numpy(vectors * np.sqrt(values.clip(0))).float()
