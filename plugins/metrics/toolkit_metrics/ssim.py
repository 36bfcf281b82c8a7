"""Structural similarity (Wang et al., 2004)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from toolkit.errors import DataError
from toolkit_metrics.pairs import Colour, comparable, size

WINDOW, SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_ROWS = 32  # fit a processor's cache, which also halves the time


def ssim(sr: Tensor, hr: Tensor | None, colour: Colour = "y", border: int = 0) -> Tensor:
    """Mean SSIM over all places where the Gaussian window lies within the image (eq. 13).

    The window has 11 x 11 pixels and sigma 1.5; K1 = 0.01, K2 = 0.03, dynamic range 255, no
    downsampling: as in the authors' `ssim.m`, which takes integers. As in pyiqa, the second factor
    is at least 0. Several channels are averaged.

    Args:
        sr: `[b, 3, h, w]`, in [0, 1].
        hr: The same size.
        colour: Luma of 16 to 235; or R, G and B, whose similarities are averaged.
        border: Pixels left out on each side.

    Returns:
        `[b]`, float64, 0 to 1, higher is better.

    Raises:
        DataError: There is no reference, its size differs, a pixel is not finite, or a side is
            below 11 pixels.

    Example:
        >>> image = torch.rand(1, 3, 16, 16)
        >>> round(ssim(image, image, "rgb").item(), 9)
        1.0
    """
    first, second = comparable(sr, hr, colour, border)
    height, width = first.shape[-2:]
    if min(height, width) < WINDOW:
        raise DataError(
            f"SSIM needs {WINDOW} pixels a side; the image has {size(first)}",
            hint="Leave this image out, or lower the option 'border'",
        )
    first, second = first.round_(), second.round_()
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
    product, power = mean_x * mean_y, mean_x.square().add_(mean_y.square())
    covariance = _smoothed(x * y).sub_(product)
    variance = _smoothed(x.square().add_(y.square())).sub_(power)
    structure = covariance.mul_(2).add_(_C2).div_(variance.add_(_C2)).clamp_(min=0)
    return product.mul_(2).add_(_C1).div_(power.add_(_C1)).mul_(structure)


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
