"""A no-reference metric for grid artefacts with the period of an autoencoder."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from toolkit.plugin import DataError
from toolkit_metrics.pairs import luma, pixels, size

_PERIODS = 32
"""Side of a window in periods. Larger windows would detect invisible patterns."""
_FAR, _NEAR = 8, 2
"""Bounds of a frequency's neighbourhood, in bins; bins up to `_NEAR` contain the peak, spread by
the window."""


def lattice(images: Tensor, period: int) -> Tensor:
    """Measures the excess of power at multiples of 1/period cycles per pixel.

    A pattern that repeats every `period` pixels has power only at these frequencies. The power
    spectrum is averaged over half-overlapping windows of 32 periods. At each of these frequencies
    except zero, it is divided by the mean of its neighbourhood, and the ratios are averaged.

    Args:
        images: `[b, 3, h, w]`, in [0, 1].
        period: Period in pixels, such as the factor of an autoencoder.

    Returns:
        `[b]`, float64, in dB, lower is better; about 0 for images without a pattern.

    Raises:
        DataError: A side has fewer than 32 periods, or a pixel is not finite.

    Example:
        >>> noise = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
        >>> dots = torch.zeros(256, 256)
        >>> dots[::4, ::4] = 0.2
        >>> lattice(noise, 4).item() < 1 and lattice((noise + dots).clamp(0, 1), 4).item() > 5
        True
    """
    side = _PERIODS * period
    if min(images.shape[2:]) < side:
        raise DataError(
            f"An image of {size(images)} pixels is too small for the metric lattice:{period}",
            hint=f"It needs {_PERIODS} periods on each side: {side}x{side} px",
        )
    power = _spectrum(luma(pixels(images, "sr").double())[:, 0], side)
    bins = itertools.product(range(0, side, _PERIODS), repeat=2)
    ratios = [_over_neighbourhood(power, row, column) for row, column in bins if row or column]
    return 10 * torch.stack(ratios).mean(dim=0).log10()


def _spectrum(grey: Tensor, side: int) -> Tensor:
    """Returns the mean power spectrum of windows, `[b, side, side]`, of `[b, h, w]` in [0, 255].

    Adds the power of rounding noise, which makes the metric finite for flat images.
    """
    hann = torch.hann_window(side, dtype=torch.float64, device=grey.device)
    window = hann[:, None] * hann
    power = grey.new_zeros(len(grey), side, side)
    rows = grey.unfold(1, side, side // 2)
    for row in rows.unbind(1):  # [b, w, side]; one row of windows at a time bounds the memory
        patches = row.unfold(1, side, side // 2)  # [b, n, side, side]
        patches = patches - patches.mean(dim=(2, 3), keepdim=True)
        power += torch.fft.fft2(patches * window).abs().square().mean(dim=1)
    return power / rows.shape[1] + window.square().sum() / 12


def _over_neighbourhood(power: Tensor, row: int, column: int) -> Tensor:
    """Returns the ratio of the power of a bin to the mean of its neighbourhood, `[b]`."""
    width = 2 * _FAR + 1
    surroundings = power.roll((_FAR - row, _FAR - column), (1, 2))[:, :width, :width]
    offset = torch.arange(-_FAR, _FAR + 1, device=power.device).abs()
    neighbourhood = torch.maximum(offset[:, None], offset) > _NEAR
    return surroundings[:, _FAR, _FAR] / surroundings[:, neighbourhood].mean(dim=1)
