"""Structural similarity (Wang et al., 2004)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from toolkit.plugin import DataError
from toolkit_metrics.pairs import Colour, comparable, size

WINDOW, SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_ROWS = 32  # fits a CPU's cache, which also halves the time


def ssim(sr: Tensor, hr: Tensor | None, colour: Colour = "y", border: int = 0) -> Tensor:
    """Computes the mean SSIM over all windows within the image (eq. 13).

    The Gaussian window has 11 x 11 pixels and sigma 1.5; K1 = 0.01, K2 = 0.03, dynamic range 255,
    no downsampling, as in the authors' `ssim.m`. Inputs are rounded to integers. As in pyiqa, the
    second factor is clamped to at least 0.

    Args:
        sr: `[b, 3, h, w]`, in [0, 1].
        hr: Reference of the same shape.
        colour: "y" for luma in [16, 235]; "rgb" for the mean over R, G and B.
        border: Pixels cropped on each side.

    Returns:
        `[b]`, float64, 0 to 1, higher is better.

    Raises:
        DataError: There is no reference, sizes differ, a pixel is not finite, or a side is below
            11 pixels.

    Example:
        >>> image = torch.rand(1, 3, 16, 16)
        >>> round(ssim(image, image, "rgb").item(), 9)
        1.0
    """
    first, second = comparable(sr, hr, colour, border)
    height, width = first.shape[-2:]
    if min(height, width) < WINDOW:
        raise DataError(
            f"SSIM needs sides of at least {WINDOW} pixels; the image has {size(first)}",
            hint="Exclude this image, or lower the option 'border'",
        )
    first, second = first.round_(), second.round_()
    map_height = height - WINDOW + 1
    total = first.new_zeros(len(first))
    # Strips of rows bound the memory: whole maps of a large image would need gigabytes.
    for top in range(0, map_height, _ROWS):
        rows = slice(top, min(top + _ROWS, map_height) + WINDOW - 1)
        total += _similarity(first[..., rows, :], second[..., rows, :]).sum(dim=(1, 2, 3))
    return total / (first.shape[1] * map_height * (width - WINDOW + 1))


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    """Returns the SSIM map, `[b, c, h - 10, w - 10]`, of images in [0, 255]."""
    mean_x, mean_y = _smooth(x), _smooth(y)
    product, power = mean_x * mean_y, mean_x.square().add_(mean_y.square())
    covariance = _smooth(x * y).sub_(product)
    variance = _smooth(x.square().add_(y.square())).sub_(power)
    structure = covariance.mul_(2).add_(_C2).div_(variance.add_(_C2)).clamp_(min=0)
    return product.mul_(2).add_(_C1).div_(power.add_(_C1)).mul_(structure)


def _smooth(image: Tensor) -> Tensor:
    """Filters `[b, c, h, w]` with the separable Gaussian, without padding."""
    # torch's convolution in float64 takes more time and memory than sums of shifted images.
    offsets = range(-(WINDOW // 2), WINDOW // 2 + 1)
    weights = [math.exp(-(offset**2) / (2 * SIGMA**2)) for offset in offsets]
    for side in (-2, -1):
        length = image.shape[side] - WINDOW + 1
        total = torch.zeros_like(image.narrow(side, 0, length))
        for shift, weight in enumerate(weights):
            total.add_(image.narrow(side, shift, length), alpha=weight / sum(weights))
        image = total
    return image
