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
    resized = nn.functional.interpolate(wide, scale, mode="bicubic", antialias=True)
    return resized.to(image.dtype)
