"""MATLAB's bicubic resizing."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def bicubic_resize(image: Tensor, scale: float | tuple[int, int]) -> Tensor:
    """Resizes with the cubic kernel of a = -0.5, widened when shrinking, like MATLAB's `imresize`.

    Unlike MATLAB, which mirrors the image at its border, weights outside of the image are dropped
    and the rest is renormalised. Overshoot is not clamped.

    Source: R. Keys, Cubic convolution interpolation for digital image processing, 1981.

    Args:
        image: `[b, c, h, w]`, float.
        scale: Factor for both sides (sizes are rounded up, as in MATLAB), or the new (h, w).

    Example:
        >>> bicubic_resize(torch.ones(1, 3, 5, 6), 4).shape
        torch.Size([1, 3, 20, 24])
    """
    if not isinstance(scale, tuple):
        height, width = (max(1, math.ceil(side * scale - 1e-9)) for side in image.shape[-2:])
        scale = height, width
    # antialias for enlarging, too: it selects a = -0.5 instead of -0.75.
    wide = image.float() if image.dtype in {torch.float16, torch.bfloat16} else image
    if scale[1] == 1 and wide.shape[2] not in (1, scale[0]):
        # PyTorch 2.15 repeats the first row of a single column; of two, it resizes each.
        column = _interpolated(wide, (wide.shape[2], 1)).expand(-1, -1, -1, 2)
        return _interpolated(column, (scale[0], 2))[..., :1].to(image.dtype)
    return _interpolated(wide, scale).to(image.dtype)


def _interpolated(image: Tensor, size: tuple[int, int]) -> Tensor:
    return nn.functional.interpolate(image, size, mode="bicubic", antialias=True)


def bicubic_rows(image: Tensor, size: tuple[int, int], first: int, end: int) -> Tensor:
    """Returns rows `first` to `end - 1` of `bicubic_resize(image, size)`, up to rounding."""
    return rows_of(image, 0, image.shape[2], size, first, end)


def rows_of(
    part: Tensor, top: int, height: int, size: tuple[int, int], first: int, end: int
) -> Tensor:
    """Returns rows `first` to `end - 1` of an image that is resized, given the rows they need.

    Args:
        part: Rows of the image from `top` on, `[b, c, rows, w]`, with at least those of
            `rows_needed`.
        top: Number of its first row.
        height: Of the whole image.
        size: The whole image's new height and width.
        first: First row wanted.
        end: The row after the last one wanted.
    """
    start, stop = rows_needed(height, size[0], first, end)
    part = part[:, :, start - top : stop - top]
    if size[1] != part.shape[3]:
        part = bicubic_resize(part, (part.shape[2], size[1]))
    if size[0] == height:
        return part
    weights = _weights(height, size[0], first, end, start, stop).to(part)
    return torch.einsum("yr,bcrx->bcyx", weights, part)


def rows_needed(height: int, new_height: int, first: int, end: int) -> tuple[int, int]:
    """Returns which rows of an image decide rows `first` to `end - 1` of the resized image.

    Example:
        >>> rows_needed(100, 400, 0, 4)  # four rows out of one; the kernel reaches two further
        (0, 3)
    """
    if new_height == height:
        return first, end
    step = height / new_height
    reach = 2 * max(1.0, step)
    start = max(0, math.floor((first + 0.5) * step - reach))
    return start, min(height, math.ceil((end - 0.5) * step + reach))


def _weights(height: int, new_height: int, first: int, end: int, start: int, stop: int) -> Tensor:
    """Returns the weight of each source row in each new row, `[end - first, stop - start]`."""
    step = height / new_height
    centres = (torch.arange(first, end, dtype=torch.float64) + 0.5) * step
    sources = torch.arange(start, stop, dtype=torch.float64) + 0.5
    weights = _cubic((sources - centres[:, None]) / max(1.0, step))
    return weights / weights.sum(1, keepdim=True)


def _cubic(x: Tensor) -> Tensor:
    """Keys' kernel with a = -0.5."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0))
