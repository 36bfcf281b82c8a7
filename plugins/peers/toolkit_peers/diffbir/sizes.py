"""Sizes at which DiffBIR works, and how images come to them.

Images are `[b, 3, h, w]`, latents `[b, 4, h, w]`.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]
"""Height and width."""


def with_short_edge(size: Size, edge: int) -> Size:
    """A size in about the same ratio, with a shorter side of `edge`.

    Example:
        >>> with_short_edge((20, 29), 32)
        (32, 46)
    """
    ratio = edge / min(size)
    height, width = (edge if side == min(size) else int(side * ratio) for side in size)
    return height, width


def resized(image: Tensor, size: Size) -> Tensor:
    """Resizes bicubically, with antialiasing; values may leave their range."""
    if tuple(image.shape[2:]) == size:
        return image
    return F.interpolate(image, size, mode="bicubic", antialias=True)


def padded(image: Tensor, multiple: int) -> Tensor:
    """Appends zeros on the right and at the bottom, up to multiples of a number."""
    height, width = image.shape[2:]
    return F.pad(image, (0, -width % multiple, 0, -height % multiple))
