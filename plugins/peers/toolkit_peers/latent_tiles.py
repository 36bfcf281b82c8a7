"""Overlapping tiles, whose predictions are blended, by default with Gaussian weights.

Sizes are in pixels of what is tiled: a latent, or an image.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_VARIANCE = 0.01
"""Of the Gaussian, for sides of length 1."""


class Box(NamedTuple):
    """Part of a latent or image; `bottom` and `right` are exclusive."""

    top: int
    bottom: int
    left: int
    right: int

    def crop(self, whole: Tensor, scale: int = 1) -> Tensor:
        """The part of `[..., h, w]`, a view; `scale` if `whole` is larger by this factor."""
        top, bottom, left, right = (side * scale for side in self)
        return whole[..., top:bottom, left:right]


def grid_by_stride(height: int, width: int, size: int, overlap: int) -> list[Box]:
    """Square tiles as in OSEDiff and SeeSR, row by row.

    Areas of up to `size * size` are one box, of any shape. Otherwise the side of a tile is at most
    the shorter side of the whole. If it does not exceed the overlap, for which the published rule
    does not end, the overlap is half of it.

    Example:
        >>> grid_by_stride(8, 20, size=8, overlap=2)[-1]
        Box(top=0, bottom=8, left=12, right=20)
    """
    if height * width <= size * size:
        return [Box(0, height, 0, width)]
    size = min(size, height, width)
    stride = size - (overlap if overlap < size else size // 2)
    rows, columns = (covering(length, size, stride) for length in (height, width))
    return _squares(rows, columns, size)


def sliding(height: int, width: int, size: int, stride: int) -> list[Box]:
    """Square tiles as in DiffBIR, row by row; one box if a side is shorter than a tile."""
    if min(height, width) < size:
        return [Box(0, height, 0, width)]
    rows, columns = (covering(length, size, stride) for length in (height, width))
    return _squares(rows, columns, size)


def covering(length: int, size: int, stride: int) -> list[int]:
    """Where tiles start: multiples of the stride, and the last so that it ends at the end."""
    return [*range(0, length - size, stride), length - size]


def _squares(rows: Sequence[int], columns: Sequence[int], size: int) -> list[Box]:
    return [Box(top, top + size, left, left + size) for top in rows for left in columns]


def gaussian(height: int, width: int) -> Tensor:
    """Weights of a tile's pixels, `[height, width]`, float32, on the CPU.

    As published, they are centred on `(width - 1) / 2` but on `height / 2`: half a pixel lower than
    the tile.
    """
    column = _bell(height, height / 2)
    row = _bell(width, (width - 1) / 2)
    return torch.outer(column, row).float()


def _bell(length: int, centre: float) -> Tensor:
    positions = torch.arange(length, dtype=torch.float64, device="cpu")
    density = torch.exp(-((positions - centre) / length).square() / (2 * _VARIANCE))
    return density / math.sqrt(2 * math.pi * _VARIANCE)


def blended(
    boxes: Sequence[Box],
    predict: Callable[[Box], Tensor],
    scale: int = 1,
    weigh: Callable[[int, int], Tensor] = gaussian,
) -> Tensor:
    """Predicts tile by tile; the weighted mean where tiles overlap.

    Args:
        boxes: Tiles of equal size that cover the whole. A single one is predicted without weights.
        predict: Returns the prediction for a tile, `[..., scale * height, scale * width]`.
        scale: Size of a prediction relative to its box.
        weigh: Returns the weights of a prediction's pixels, `[height, width]`.

    Returns:
        The prediction for the whole, in the tiles' data type; accumulated in float32.
    """
    if len(boxes) == 1:
        return predict(boxes[0])
    tiles = map(predict, boxes)
    first = next(tiles)
    height = scale * max(box.bottom for box in boxes)
    width = scale * max(box.right for box in boxes)
    total = first.new_zeros(*first.shape[:-2], height, width, dtype=torch.float32)
    weights = total.new_zeros(height, width)
    weight = weigh(*first.shape[-2:]).to(first.device)
    for box, tile in zip(boxes, itertools.chain([first], tiles), strict=True):
        box.crop(total, scale).add_(tile.float() * weight)
        box.crop(weights, scale).add_(weight)
    return total.div_(weights).to(first.dtype)
