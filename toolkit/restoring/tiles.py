"""Images of any size through a restorer, in tiles that blend into each other."""

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
"""LR pixels up to which an image goes whole through the restorer, where nothing else is asked."""
TILE = 192
"""Side of a tile in LR pixels, where nothing else is asked."""
OVERLAP = 32
"""LR pixels that neighbouring tiles share at least, where tiles are large enough."""


class Window(NamedTuple):
    """One tile's place along one side of the image, in LR pixels.

    Between `rise - ramp` and `rise + ramp` it fades in, around `fall` it fades out; infinite at
    the image's own borders.
    """

    start: int
    stop: int
    rise: float
    fall: float
    ramp: float

    def weights(self, scale: int) -> Tensor:
        """Its share of each SR pixel, `[scale * (stop - start)]`, float32, in [0, 1].

        The shares of all windows at a pixel sum to 1.
        """
        place = (torch.arange(self.start * scale, self.stop * scale) + 0.5).double() / scale
        share = _fade(place, self.rise, self.ramp) * (1 - _fade(place, self.fall, self.ramp))
        return share.float()


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

    Tiles equal the whole, up to rounding, where each SR pixel depends on no LR pixel further away
    than a quarter of the overlap: that much of each tile is context alone. Over the middle half of
    the overlap, one tile fades into the next. Beside the output, memory is that of one tile.

    Args:
        restorer: What restores a tile.
        lr: In [0, 1]; the output lies on its device.
        tile: Side of a tile in LR pixels; 0 for the whole image at once; None for the whole image
            up to `WHOLE_PIXELS`, and tiles of `TILE` beyond.
        overlap: LR pixels that neighbours share at least, at most half a tile; None for `OVERLAP`,
            or a quarter of a smaller tile.
        device: Where the restorer's network lies; None for where `lr` lies.
        on_tile: Told (done, all) after each tile.

    Raises:
        UsageError: `tile` is negative, or `overlap` is negative or more than half of it.
        ToolkitError: The restorer returned another size, or values that are not finite.
    """
    height, width = lr.shape[-2:]
    if tile is None:
        tile = TILE if height * width > WHOLE_PIXELS else 0
    side = tile or max(height, width)
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


def check_tiles(tile: int | None, overlap: int = 0) -> None:
    """Raises `UsageError` for a negative tile, and for an overlap of more than half a tile."""
    if tile is not None and (tile < 0 or overlap < 0 or (tile and overlap > tile // 2)):
        raise UsageError(
            f"Tiles of {tile} pixels that share {overlap} are not possible",
            hint="Give tiles of 16 or more, such as --tile 192, or --tile 0 for whole images",
        )


def windows(size: int, tile: int, overlap: int) -> Iterator[Window]:
    """Evenly spaced windows of one length that cover `size` pixels, as few as will do.

    Example:
        >>> [(window.start, window.stop) for window in windows(100, 40, 8)]
        [(0, 40), (30, 70), (60, 100)]
    """
    count = 1 if size <= tile else math.ceil((size - overlap) / (tile - overlap))
    tile = min(tile, size)
    starts = [round(index * (size - tile) / max(1, count - 1)) for index in range(count)]
    # Neighbours meet in the middle of what they share.
    meets = [(left + tile + right) / 2 for left, right in pairwise(starts)]
    meets = [-math.inf, *meets, math.inf]
    for start, (rise, fall) in zip(starts, pairwise(meets), strict=True):
        yield Window(start, start + tile, rise, fall, ramp=overlap / 4)


def _fade(place: Tensor, centre: float, ramp: float) -> Tensor:
    """From 0 to 1 by half a cosine, within `ramp` of the centre."""
    if math.isinf(centre):
        return torch.full_like(place, float(centre < 0))
    if ramp == 0:
        return (place >= centre).to(place)
    return 0.5 - 0.5 * torch.cos(((place - centre) / ramp).clamp(-1, 1).add(1) * (math.pi / 2))
