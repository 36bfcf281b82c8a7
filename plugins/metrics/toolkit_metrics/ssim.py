"""Structural similarity (Wang et al., 2004)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from toolkit.errors import DataError
from toolkit_metrics.pairs import Colour, comparable, fingerprint, protocol, size

if TYPE_CHECKING:
    from collections.abc import Mapping

WINDOW, SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_ROWS = 32  # fit a processor's cache, which also halves the time


class Ssim:
    """Mean SSIM over all places where the Gaussian window lies within the image.

    The window has 11 x 11 pixels and sigma 1.5; K1 = 0.01, K2 = 0.03, dynamic range 255, no
    downsampling: as in the authors' `ssim.m`. Several channels are averaged.

    Example:
        >>> image = torch.rand(1, 3, 16, 16)
        >>> round(Ssim("rgb")(image, image).item(), 9)
        1.0
    """

    direction: Literal["higher", "lower"] = "higher"
    needs_reference = True

    def __init__(self, colour: Colour = "y", border: int = 0) -> None:
        self.colour: Colour = colour
        self.border = border
        window = "Gaussian window 11x11, sigma 1.5, valid area"
        self.fingerprint: Mapping[str, str] = fingerprint(f"{protocol(colour, border)}, {window}")

    def __call__(self, sr: Tensor, hr: Tensor | None = None) -> Tensor:
        """Scores `[b, 3, h, w]`, in [0, 1], as `[b]`, float64, at most 1.

        Raises:
            DataError: There is no reference, its size differs, or a side is below 11 pixels.
        """
        first, second = comparable(sr, hr, self.colour, self.border)
        height, width = first.shape[-2:]
        if min(height, width) < WINDOW:
            raise DataError(
                f"SSIM needs {WINDOW} pixels a side; the image has {size(first)}",
                hint="Leave this image out, or lower the option 'border'",
            )
        places = height - WINDOW + 1
        total = first.new_zeros(len(first))
        # Strips of rows bound the memory: whole maps of a large image would need gigabytes.
        for top in range(0, places, _ROWS):
            rows = slice(top, min(top + _ROWS, places) + WINDOW - 1)
            total += _similarity(first[..., rows, :], second[..., rows, :]).sum(dim=(1, 2, 3))
        return total / (first.shape[1] * places * (width - WINDOW + 1))


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    """The map of SSIM, `[b, c, h - 10, w - 10]`, of images on the scale of 0 to 255."""
    mean_x, mean_y = _smoothed(x), _smoothed(y)
    product, power = mean_x * mean_y, mean_x.square() + mean_y.square()
    covariance = _smoothed(x * y) - product
    variance = _smoothed(x.square() + y.square()) - power
    luminance = (2 * product + _C1) / (power + _C1)
    return luminance * (2 * covariance + _C2) / (variance + _C2)


def _smoothed(image: Tensor) -> Tensor:
    """`[b, c, h, w]` through the Gaussian, one side after the other, where it fits."""
    # Sums of shifted images: torch's convolution in float64 takes more time and memory.
    places = range(-(WINDOW // 2), WINDOW // 2 + 1)
    weights = [math.exp(-(place**2) / (2 * SIGMA**2)) for place in places]
    for side in (-2, -1):
        length = image.shape[side] - WINDOW + 1
        smooth = torch.zeros_like(image.narrow(side, 0, length))
        for shift, weight in enumerate(weights):
            smooth.add_(image.narrow(side, shift, length), alpha=weight / sum(weights))
        image = smooth
    return image
