"""Restores images of any size in overlapping tiles that are blended."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from toolkit.contracts import restored
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolkit.interfaces import Restorer

WHOLE_PIXELS = 256 * 256
"""Number of LR pixels up to which an image is not tiled by default."""
TILE = 192
"""Default side of a tile, in LR pixels."""
OVERLAP = 32
"""Default minimum overlap of neighbouring tiles, in LR pixels; smaller for small tiles."""


class Window(NamedTuple):
    """A tile's interval along one side of the image, in LR pixels.

    It fades in between `rise - ramp` and `rise + ramp`, and fades out around `fall`; `rise` and
    `fall` are infinite at the image's borders.
    """

    start: int
    stop: int
    rise: float
    fall: float
    ramp: float

    def weights(self, scale: int) -> Tensor:
        """Returns its weight at each SR pixel, `[scale * (stop - start)]`, float32, in [0, 1].

        The weights of all windows sum to 1 at each pixel.
        """
        positions = (torch.arange(self.start * scale, self.stop * scale) + 0.5).double() / scale
        rising = _fade(positions, self.rise, self.ramp)
        return (rising * (1 - _fade(positions, self.fall, self.ramp))).float()


@torch.no_grad()
def restore_tiled(
    restorer: Restorer,
    lr: Tensor,
    tile: int | None = None,
    overlap: int | None = None,
    *,
    device: torch.device | None = None,
    on_tile: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Restores `lr`, `[b, 3, h, w]` of any size, to `[b, 3, scale * h, scale * w]`.

    The outer quarter of each overlap is only context; neighbouring tiles blend over its middle
    half. Up to rounding, tiling does not change the result if no SR pixel depends on LR pixels
    further away than that quarter. Besides the output, memory for one tile is needed.

    Args:
        restorer: Restores the tiles.
        lr: In [0, 1]; the output is on its device.
        tile: Side of a tile in LR pixels; 0 for the whole image at once; None for the whole image
            up to `WHOLE_PIXELS`, and tiles of `TILE` beyond.
        overlap: Minimum overlap of neighbouring tiles in LR pixels, at most half a tile; None for
            `OVERLAP`, or a quarter of a smaller tile.
        device: Device of the restorer; None for that of `lr`.
        on_tile: Called with (finished tiles, all tiles) after each tile.

    Raises:
        UsageError: `tile` is negative, or `overlap` is negative or more than half of it.
        ToolkitError: The restorer returned a wrong size, or values that are not finite.
    """
    height, width = lr.shape[-2:]
    side = tile_side(tile, height, width)
    shared = min(OVERLAP, side // 4) if overlap is None or not tile else overlap
    check_tiles(tile, shared)
    scale = restorer.scale
    boxes = [(y, x) for y in windows(height, side, shared) for x in windows(width, side, shared)]
    output = lr.new_zeros(*lr.shape[:2], height * scale, width * scale)
    for done, (y, x) in enumerate(boxes, start=1):
        part = lr[..., y.start : y.stop, x.start : x.stop]
        sr = restored(restorer, part.to(device or lr.device)).to(output)
        sr = sr * (y.weights(scale)[:, None] * x.weights(scale)).to(output)
        output[..., y.start * scale : y.stop * scale, x.start * scale : x.stop * scale] += sr
        if on_tile:
            on_tile(done, len(boxes))
    return output


def tile_side(tile: int | None, height: int, width: int) -> int:
    """Returns the side of an image's tiles for a `tile` of `restore_tiled`, in LR pixels."""
    if tile is None:
        tile = TILE if height * width > WHOLE_PIXELS else 0
    return tile or max(height, width)


def check_tiles(tile: int | None, overlap: int = 0) -> None:
    """Raises `UsageError` for a negative tile, or an overlap of more than half a tile."""
    if tile is not None and (tile < 0 or overlap < 0 or (tile and overlap > tile // 2)):
        raise UsageError(
            f"Tiles of {tile} pixels that share {overlap} are not possible",
            hint="Use tiles of 16 or more, such as --tile 192, or --tile 0 for whole images",
        )


def windows(size: int, tile: int, overlap: int) -> Iterator[Window]:
    """Yields evenly spaced windows of equal length, as few as cover `size` pixels.

    Example:
        >>> [(window.start, window.stop) for window in windows(100, 40, 8)]
        [(0, 40), (30, 70), (60, 100)]
    """
    count = 1 if size <= tile else math.ceil((size - overlap) / (tile - overlap))
    tile = min(tile, size)
    starts = [round(index * (size - tile) / max(1, count - 1)) for index in range(count)]
    # Neighbours fade into each other at the middle of their overlap.
    centres = [(left + tile + right) / 2 for left, right in pairwise(starts)]
    centres = [-math.inf, *centres, math.inf]
    for start, (rise, fall) in zip(starts, pairwise(centres), strict=True):
        yield Window(start, start + tile, rise, fall, ramp=overlap / 4)


def _fade(positions: Tensor, centre: float, ramp: float) -> Tensor:
    """Rises from 0 to 1 as half a cosine, within `ramp` of the centre."""
    if math.isinf(centre):
        return torch.full_like(positions, float(centre < 0))
    if ramp == 0:
        return (positions >= centre).to(positions)
    return 0.5 - 0.5 * torch.cos(((positions - centre) / ramp).clamp(-1, 1).add(1) * (math.pi / 2))
