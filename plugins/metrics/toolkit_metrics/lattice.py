"""Excess of the spectrum where an autoencoder leaves its lattice."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from toolkit.errors import DataError
from toolkit_metrics.pairs import luma, pixels, size

_PERIODS = 32
"""Side of a window in periods. A longer one would find repetitions far too faint to be seen."""
_FAR, _NEAR = 8, 2
"""The neighbourhood of a place, in steps of the spectrum: up to `_FAR` away, beyond `_NEAR`, where
the window has spread a peak."""


def lattice(images: Tensor, period: int) -> Tensor:
    """How far the power at multiples of 1/period cycle per pixel rises above its neighbourhood.

    What repeats every `period` pixels shows there and nowhere else. The power spectrum is the mean
    over half-overlapping windows of 32 periods. At all such places but the mean it is divided by
    the mean of its neighbourhood, and the quotients are averaged.

    Args:
        images: `[b, 3, h, w]`, in [0, 1].
        period: In pixels, such as the factor of an autoencoder.

    Returns:
        `[b]`, float64, in dB, lower is better; about 0 where nothing repeats.

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
            f"{size(images)} pixels are too few to find a lattice of {period} px in",
            hint=f"It needs {_PERIODS} periods a side: {side}x{side} px",
        )
    power = _spectrum(luma(pixels(images, "sr").double())[:, 0], side)
    places = itertools.product(range(0, side, _PERIODS), repeat=2)
    quotients = [_over_neighbourhood(power, *place) for place in places if any(place)]
    return 10 * torch.stack(quotients).mean(dim=0).log10()


def _spectrum(grey: Tensor, side: int) -> Tensor:
    """Mean power of windows of `side` px, `[b, side, side]`, of `[b, h, w]` in [0, 255].

    With what rounding to integers leaves, so that flat images have a figure too.
    """
    hann = torch.hann_window(side, dtype=torch.float64, device=grey.device)
    window = hann[:, None] * hann
    power = grey.new_zeros(len(grey), side, side)
    rows = grey.unfold(1, side, side // 2)
    for row in rows.unbind(1):  # [b, w, side]; one row of windows at a time bounds the memory
        pieces = row.unfold(1, side, side // 2)  # [b, n, side, side]
        pieces = pieces - pieces.mean(dim=(2, 3), keepdim=True)
        power += torch.fft.fft2(pieces * window).abs().square().mean(dim=1)
    return power / rows.shape[1] + window.square().sum() / 12


def _over_neighbourhood(power: Tensor, row: int, column: int) -> Tensor:
    """Power at one place of the spectrum over the mean around it, `[b]`."""
    width = 2 * _FAR + 1
    around = power.roll((_FAR - row, _FAR - column), (1, 2))[:, :width, :width]
    offset = torch.arange(-_FAR, _FAR + 1, device=power.device).abs()
    outside = torch.maximum(offset[:, None], offset) > _NEAR
    return around[:, _FAR, _FAR] / around[:, outside].mean(dim=1)
