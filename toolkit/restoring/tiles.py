"""Restores images of any size in overlapping tiles that are blended."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from toolkit.contracts import restored
from toolkit.devices import free_memory_of
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from toolkit.interfaces import Restorer

    OnTile = Callable[[int, int], None]

WHOLE_PIXELS = 256 * 256
"""Number of LR pixels up to which an image is not tiled by default."""
TILE = 192
"""Default side of a tile, in LR pixels."""
_LARGE = 512
"""Side of tiles on accelerators."""
_BYTES_A_PIXEL = 48_000
"""Activations per LR pixel: 96 features in single precision at four times the size, and copies."""
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


def joined(strips: Iterable[Tensor], height: int) -> Tensor:
    """Joins strips of rows, `[b, c, rows, w]`, without having both them and the whole in memory."""
    whole, done = torch.empty(0), 0
    for strip in strips:
        if not done:
            if strip.shape[2] == height:
                return strip
            whole = strip.new_empty(*strip.shape[:2], height, strip.shape[3])
        whole[:, :, done : done + strip.shape[2]] = strip
        done += strip.shape[2]
    return whole


def restored_strips(
    restorer: Restorer,
    lr: Tensor,
    tile: int | None = None,
    overlap: int | None = None,
    *,
    device: torch.device | None = None,
    on_tile: OnTile | None = None,
) -> Iterator[Tensor]:
    """Restores an image in rows of tiles, and yields rows of the result as they are finished.

    The outer quarter of each overlap is only context; neighbouring tiles blend over its middle
    half. Up to rounding, tiling does not change the result if no SR pixel depends on LR pixels
    further away than that quarter. The memory of one row of tiles is needed.

    Args:
        restorer: Restores the tiles.
        lr: `[b, 3, h, w]`, in [0, 1]; the output is on its device.
        tile: Side of a tile in LR pixels; 0 for the whole image at once; None for the whole image
            up to `WHOLE_PIXELS`, and tiles of `TILE` beyond.
        overlap: Minimum overlap of neighbouring tiles in LR pixels, at most half a tile; None for
            `OVERLAP`, or a quarter of a smaller tile.
        device: Device of the restorer; None for that of `lr`.
        on_tile: Called with (finished tiles, all tiles) after each tile.

    Yields:
        `[b, 3, rows, scale * w]`, from top to bottom; together they have `scale * h` rows.

    Raises:
        UsageError: `tile` is negative, or `overlap` is negative or more than half of it.
        ToolkitError: The restorer returned a wrong size, or values that are not finite.
    """
    height, width = lr.shape[-2:]
    side = tile_side(tile, height, width)
    shared = min(OVERLAP, side // 4) if overlap is None or not tile else overlap
    check_tiles(tile, shared)
    scale = restorer.scale
    rows, columns = (list(windows(size, side, shared)) for size in (height, width))
    above = lr.new_zeros(*lr.shape[:2], 0, width * scale)  # rows that the next tiles fade into
    for number, y in enumerate(rows):
        band = lr.new_zeros(*lr.shape[:2], (y.stop - y.start) * scale, width * scale)
        for done, x in enumerate(columns, start=number * len(columns) + 1):
            part = lr[..., y.start : y.stop, x.start : x.stop]
            with torch.no_grad():
                sr = restored(restorer, part.to(device or lr.device)).to(band)
            sr = sr * (y.weights(scale)[:, None] * x.weights(scale)).to(band)
            band[..., x.start * scale : x.stop * scale] += sr
            if on_tile:
                on_tile(done, len(rows) * len(columns))
        band[:, :, : above.shape[2]] += above
        following = rows[number + 1].start if number + 1 < len(rows) else y.stop
        finished = (following - y.start) * scale
        yield band[:, :, :finished]
        above = band[:, :, finished:].clone()


def tile_side(tile: int | None, height: int, width: int) -> int:
    """Returns the side of an image's tiles for a `tile` of `restored_strips`, in LR pixels."""
    if tile is None:
        tile = TILE if height * width > WHOLE_PIXELS else 0
    return tile or max(height, width)


def fitting_tile(height: int, width: int, device: torch.device) -> int:
    """Returns the side of tiles that suits an image and the free memory of a device.

    Whole images up to `WHOLE_PIXELS` (0); beyond, the largest of a few sides of which half of the
    memory holds one tile, as networks with the largest activations need it. Few sides, as the
    result depends on them. Larger tiles are faster on accelerators only.
    """
    free = free_memory_of(device)
    sides = [TILE, TILE // 2, TILE // 4]
    if device.type != "cpu":
        sides.insert(0, _LARGE)
    fitting = [side for side in sides if free is None or side * side * _BYTES_A_PIXEL <= free / 2]
    side = fitting[0] if fitting else sides[-1]
    return 0 if height * width <= WHOLE_PIXELS and side >= TILE else side


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
