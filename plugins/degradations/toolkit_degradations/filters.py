"""Filters with mirrored borders that do not repeat the edge pixel."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn.functional import pad

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_TILE: Final = 32


def convolve(images: Tensor, kernel: NDArray[np.float64]) -> Tensor:
    """Filters `[n, h, w]` with `kernel`, `[k, k]`, k odd; images may be smaller than the kernel.

    Uses Fourier transforms, whose cost hardly depends on the kernel size: on a CPU, five times as
    fast as a depthwise convolution with 21 taps on a side.

    Example:
        >>> images = torch.rand(3, 5, 4)
        >>> bool(torch.allclose(convolve(images, np.ones((1, 1))), images, atol=1e-6))
        True
    """
    height, width = images.shape[1:]
    radius = len(kernel) // 2
    size = (_fast_length(height + 2 * radius), _fast_length(width + 2 * radius))
    # Flip the kernel: filters correlate, while products of spectra convolve.
    flipped = torch.from_numpy(kernel[::-1, ::-1].copy()).float().to(images.device)
    spectrum = torch.fft.rfft2(_pad(images, radius), s=size)
    filtered: Tensor = torch.fft.irfft2(spectrum * torch.fft.rfft2(flipped, s=size), s=size)
    # The result is shifted by the kernel's radius, in addition to the border.
    return filtered.narrow(1, 2 * radius, height).narrow(2, 2 * radius, width)


def convolve_separably(images: Tensor, line: NDArray[np.float64]) -> Tensor:
    """Filters `[n, h, w]` along rows and columns with the same taps, `[k]`, k odd.

    Multiplies overlapping tiles with a banded matrix, which on a CPU is much faster than a
    one-dimensional depthwise convolution.

    Example:
        >>> images = torch.rand(3, 5, 4)
        >>> bool(torch.allclose(convolve_separably(images, np.ones(1)), images))
        True
    """
    count, height, width = images.shape
    across, down = -(-width // _TILE), -(-height // _TILE)
    padded = _pad(images, len(line) // 2)
    padded = pad(padded, (0, across * _TILE - width, 0, down * _TILE - height))
    band = _band(line).to(images.device)
    reach, tall = len(band), padded.shape[1]
    tiles = padded.reshape(count * tall, -1).unfold(1, reach, _TILE).transpose(0, 1)
    filtered = torch.bmm(tiles, band.expand(across, -1, -1))  # [across, n * tall, tile]
    filtered = filtered.view(across, count, tall, _TILE).permute(1, 2, 0, 3)
    filtered = filtered.reshape(count, tall, across * _TILE)
    upright = band.T.expand(down, -1, -1)
    columns = [torch.bmm(upright, image.unfold(0, reach, _TILE).mT) for image in filtered]
    return torch.stack(columns).view(count, down * _TILE, -1)[:, :height, :width]


def mirror(length: int, padding: int) -> Tensor:
    """Returns source indices for padding `length` pixels on both sides by repeated mirroring.

    Example:
        >>> mirror(3, 4).tolist()
        [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]
    """
    period = max(1, 2 * (length - 1))
    indices = torch.arange(-padding, length + padding).remainder(period)
    return torch.minimum(indices, period - indices).clamp(max=length - 1)


def _pad(images: Tensor, padding: int) -> Tensor:
    """Pads `[n, h, w]` on all sides by mirroring."""
    height, width = images.shape[1:]
    if padding < min(height, width):
        return pad(images[None], (padding, padding, padding, padding), mode="reflect")[0]
    rows, columns = (mirror(side, padding).to(images.device) for side in (height, width))
    return images.index_select(1, rows).index_select(2, columns)


def _band(line: NDArray[np.float64]) -> Tensor:
    """Returns a banded matrix, `[tile + k - 1, tile]`, with the taps in each column."""
    band = np.zeros((_TILE + len(line) - 1, _TILE))
    for column in range(_TILE):
        band[column : column + len(line), column] = line
    return torch.from_numpy(band).float()


@functools.lru_cache(maxsize=1024)
def _fast_length(minimum: int) -> int:
    """Returns the next length without prime factors above 5."""
    remainder = minimum
    for prime in (2, 3, 5):
        while remainder % prime == 0:
            remainder //= prime
    return minimum if remainder == 1 else _fast_length(minimum + 1)
