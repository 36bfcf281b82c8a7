"""Noise that is determined by the image and the parameters and seed of its step."""

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
    """Returns Gaussian noise to add to an image `[3, h, w]`, or `[1, h, w]` if it is gray.

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
    """Returns Poisson noise to add to an image `[3, h, w]`, or `[1, h, w]` if it is gray.

    The photon count of white is the number of distinct 8-bit values in the image, rounded up to a
    power of two.

    Source: Real-ESRGAN, section 3.1 (noise); the photon count follows its published code.

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
    """Samples Poisson counts of mean `levels · photons / 255` by inverse transform, as float32.

    A guide table maps each level and the leading bits of the uniform number to the lowest possible
    count. In all but a few per cent of cases it is the only one; otherwise, a binary search in the
    cumulative distribution follows.

    Args:
        levels: 8-bit values of any shape, uint8.
        photons: Mean count at level 255, 1 to 256.
        uniform: Uniform numbers of the same shape, in [0, 1).
    """
    guide, cumulative = _poisson_tables(photons, str(levels.device))
    rows, uniform = levels.flatten().int(), uniform.flatten()
    indices = rows * guide.shape[1] + (uniform * _BUCKETS).int()
    entries = guide.view(-1).index_select(0, indices)
    counts = (entries >> 1).float()
    ambiguous = torch.nonzero(entries & 1)[:, 0]
    lowest = (entries[ambiguous] >> 1).int()
    highest = (guide.view(-1).index_select(0, indices[ambiguous] + 1) >> 1).int()
    row, target = rows[ambiguous] * cumulative.shape[1], uniform[ambiguous]
    for _ in range(int((highest - lowest).max().item()).bit_length() if len(ambiguous) else 0):
        middle = (lowest + highest) // 2
        above = target >= cumulative.view(-1).index_select(0, row + middle)
        lowest = torch.where(above, middle + 1, lowest).minimum(highest)
        highest = torch.where(above, highest, middle)
    counts[ambiguous] = lowest.float()
    return counts.view(levels.shape)


@functools.lru_cache(maxsize=16)
def _poisson_tables(photons: int, device: str) -> tuple[Tensor, Tensor]:
    """Returns the guide, `[levels, buckets + 1]`, and cumulative distributions, `[levels, counts]`.

    A guide entry is twice the lowest count of its bucket, plus 1 if the bucket has several counts,
    which end at the lowest count of the next bucket.
    """
    size = math.ceil(photons + 8 * math.sqrt(photons) + 16)
    means = np.arange(_LEVELS)[:, None] * (photons / 255)
    counts = np.arange(size)[None]
    log_factorials = np.array([math.lgamma(count + 1) for count in range(size)])
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = counts * np.log(means) - means - log_factorials
    logs[0] = np.where(counts[0] == 0, 0.0, -np.inf)  # level 0 has no photons
    cumulative = np.cumsum(np.exp(logs), axis=1)
    cumulative[:, -1] = 2.0  # above any uniform number
    edges = np.arange(_BUCKETS + 1) / _BUCKETS
    lowest = np.stack([np.searchsorted(row, edges, side="right") for row in cumulative])
    ambiguous = np.diff(lowest, axis=1, append=lowest[:, -1:]) > 0
    guide = 2 * lowest + ambiguous
    return (
        torch.from_numpy(guide.astype(np.int16)).to(device),
        torch.from_numpy(cumulative.astype(np.float32)).to(device),
    )


def _luma(image: Tensor) -> Tensor:
    red, green, blue = image
    luma: Tensor = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    return luma[None]


def _root(covariance: tuple[tuple[float, float, float], ...]) -> Tensor:
    """Returns a matrix that gives white noise this covariance, with eigenvalues clipped at 0."""
    values, vectors = np.linalg.eigh(np.array(covariance))
    return torch.from_numpy(vectors * np.sqrt(values.clip(0))).float()
