"""Sizes of images and tiles on StableSR's way from an LR image to four times its size.

Images are `[1, 3, h, w]` in [-1, 1].
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from toolkit_peers.images import resize
from toolkit_peers.latent_tiles import Box, sliding

SCALE = 4
_MULTIPLE = 32
"""Of the sides of an image that is not tiled, in pixels."""
_LATENT_MULTIPLE = 8
"""Of the sides of a latent tile: the networks halve them three times."""


def factor(height: int, width: int, floor: int) -> float:
    """By how much an LR image is enlarged: 4, or more for the shorter side to be `floor` long."""
    return max(floor / min(height, width), SCALE)


def enlarged(image: Tensor, floor: int) -> Tensor:
    """Enlarges an LR image by `factor`; sides are truncated to whole pixels, as published."""
    height, width = image.shape[2:]
    scale = factor(height, width, floor)
    return _bicubic(image, int(height * scale), int(width * scale)).clamp(-1, 1)


def padded(image: Tensor) -> Tensor:
    """Pads right and below by reflection to multiples of 32.

    If one side is not a multiple, the other is made longer all the same, as published.
    """
    height, width = image.shape[2:]
    if height % _MULTIPLE == width % _MULTIPLE == 0:
        return image
    right, below = (_MULTIPLE - side % _MULTIPLE for side in (width, height))
    return F.pad(image, (0, right, 0, below), mode="reflect")


def cut(image: Tensor, height: int, width: int, floor: int) -> Tensor:
    """Cuts what was padded, and reduces to four times the size of the LR image.

    Args:
        image: After `padded`, or of its size.
        height: Of the LR image.
        width: Of the LR image.
        floor: As when enlarging.
    """
    scale = factor(height, width, floor)
    image = image[..., : int(height * scale), : int(width * scale)]
    if scale == SCALE:
        return image
    return _bicubic(image, SCALE * height, SCALE * width)


def cut_as_published(image: Tensor, height: int, width: int, floor: int) -> Tensor:
    """Like `cut`, but reduces first, so that results below `floor` keep a part of the padding."""
    scale = factor(height, width, floor)
    return reduced_as_published(image, scale)[..., : int(height * scale), : int(width * scale)]


def reduced_as_published(image: Tensor, scale: float) -> Tensor:
    """Reduces an image that was enlarged by `scale` as if it had been by 4."""
    if scale <= SCALE:
        return image
    sides = (int(side * SCALE / scale) for side in image.shape[2:])
    return _bicubic(image, *sides)


def centred(image: Tensor, side: int) -> Tensor:
    """Enlarges an LR image so that its shorter side is `side` long, and cuts out the centre.

    First, sides are reduced to multiples of 32.

    Args:
        image: 8-bit image in [0, 1].
        side: Of the result, which is square.

    Returns:
        In [-1, 1].
    """
    height, width = (length - length % _MULTIPLE for length in image.shape[2:])
    image = 2 * resize(image, (height, width), "lanczos") - 1
    short = min(height, width)
    sides = side * height // short, side * width // short
    image = F.interpolate(image, sides, mode="bilinear", align_corners=False)
    top, left = (round((length - side) / 2) for length in sides)
    return image[..., top : top + side, left : left + side].clamp(-1, 1)


def image_boxes(height: int, width: int, tile: int, overlap: int) -> list[Box]:
    """Tiles of an image, column by column; one box if no side exceeds a tile.

    A tile is as long as a side that is shorter.
    """
    if max(height, width) <= tile:
        return [Box(0, height, 0, width)]
    rows, columns = (_spans(length, tile, overlap) for length in (height, width))
    return [Box(*row, *column) for column in columns for row in rows]


def _spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    size = min(tile, length)
    starts = [*range(0, length - size, tile - overlap), length - size]
    return [(start, start + size) for start in starts]


def latent_boxes(height: int, width: int, tile: int, overlap: int) -> list[Box]:
    """Square tiles of a latent, row by row.

    Their side is a multiple of 8, at most as long as the shorter side of the latent; an overlap
    that this does not exceed becomes half of it.
    """
    size = min(tile, height, width) // _LATENT_MULTIPLE * _LATENT_MULTIPLE
    return sliding(height, width, size, size - (overlap if overlap < size else size // 2))


def _bicubic(image: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(image, (height, width), mode="bicubic", align_corners=False)
