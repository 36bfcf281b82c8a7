"""Restores pictures; if memory runs out, in smaller tiles."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import torch

from toolkit.abilities import avoids_tiles
from toolkit.errors import ToolkitError, lacks_memory
from toolkit.images import Picture, bicubic_resize
from toolkit.restoring.tiles import TILE, fitting_tile, joined, tile_side
from toolkit.restoring.treatment import Treatment, treated_strips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from toolkit.interfaces import Restorer
    from toolkit.restoring.tiles import OnTile

T = TypeVar("T")
_FALLBACKS = (TILE, TILE // 2, TILE // 4)


def restore_picture(
    restorer: Restorer,
    picture: Picture,
    treatment: Treatment = Treatment(),  # noqa: B008 - immutable
    *,
    device: torch.device | None = None,
    on_tile: OnTile | None = None,
) -> tuple[Picture, tuple[str, ...]]:
    """Restores one picture; see `restore_pictures`."""
    [restored], notes = restore_pictures(
        restorer, [picture], treatment, device=device, on_tile=on_tile
    )
    return restored, notes


def restore_pictures(
    restorer: Restorer,
    pictures: Sequence[Picture],
    treatment: Treatment = Treatment(),  # noqa: B008 - immutable
    *,
    device: torch.device | None = None,
    on_tile: OnTile | None = None,
) -> tuple[list[Picture], tuple[str, ...]]:
    """Restores pictures of one size together.

    Alpha is enlarged bicubically; greyscale, bits and metadata are kept.

    Returns:
        The restored pictures, and notes, such as on smaller tiles.

    Raises:
        ToolkitError: See `restore_strips`.
    """
    lr = torch.stack([picture.rgb for picture in pictures])
    height, _ = treatment.size.of(lr.shape[2], lr.shape[3], restorer.scale)
    sr, notes = restore_strips(
        restorer, lr, treatment, lambda strips: joined(strips, height),
        device=device, on_tile=on_tile,
    )  # fmt: skip
    return [_with_pixels(*each) for each in zip(pictures, sr, strict=True)], notes


def restore_strips(
    restorer: Restorer,
    lr: Tensor,
    treatment: Treatment,
    use: Callable[[Iterator[Tensor]], T],
    *,
    device: torch.device | None = None,
    on_tile: OnTile | None = None,
) -> tuple[T, tuple[str, ...]]:
    """Restores images of one size in strips of rows; if memory runs out, again in smaller tiles.

    Args:
        restorer: Already on `device`.
        lr: `[b, 3, h, w]`, in [0, 1].
        treatment: Tiles, colours, strength and size.
        use: Takes the strips of `treated_strips`, and is called again with others if memory runs
            out.
        device: Device of the restorer; None for that of `lr`.
        on_tile: Called with (finished tiles, all tiles) after each tile.

    Returns:
        What `use` returned, and notes, such as on smaller tiles.

    Raises:
        ToolkitError: Memory does not suffice even for the smallest tiles, or see `treated_strips`.
    """
    restorer, treatment = treatment.fitted(restorer)
    height, width = lr.shape[2:]
    asked = treatment.tile
    asked = fitting_tile(height, width, device or lr.device) if asked is None else asked
    for tile in _sizes(asked, height, width):
        smaller = replace(treatment, tile=tile)
        try:
            strips = treated_strips(restorer, lr, smaller, device=device, on_tile=on_tile)
            return use(strips), _tile_notes(restorer, asked, tile, lr)
        except (MemoryError, RuntimeError) as error:
            if not lacks_memory(error):
                raise
        _release_memory()
    raise ToolkitError("Memory does not suffice, even in small tiles", hint="Use --tile 32")


def size_of(picture: Picture) -> tuple[int, int]:
    """Returns width and height."""
    height, width = picture.rgb.shape[-2:]
    return width, height


def grey_again(rgb: Tensor) -> Tensor:
    """Removes the tints of an image, `[3, h, w]`, that was grey."""
    return rgb.mean(0, keepdim=True).expand(3, -1, -1)


def _with_pixels(picture: Picture, rgb: Tensor) -> Picture:
    if picture.grey:
        rgb = grey_again(rgb)
    alpha = picture.alpha
    if alpha is not None:
        alpha = bicubic_resize(alpha[None], (rgb.shape[1], rgb.shape[2]))[0].clamp_(0, 1)
    return replace(picture, rgb=rgb, alpha=alpha)


def _tile_notes(restorer: Restorer, asked: int, used: int, lr: Tensor) -> tuple[str, ...]:
    if used != asked:
        return (f"tiles of {used} pixels, as memory was short",)
    sides = lr.shape[-2:]
    if avoids_tiles(restorer) and tile_side(used, *sides) < max(sides):
        return (f"restored in tiles, which {restorer.name} may show: try --tile 0",)
    return ()


def _sizes(tile: int, height: int, width: int) -> Iterator[int]:
    """Yields the requested tile size, then smaller ones."""
    yield tile
    first = tile_side(tile, height, width)
    yield from (size for size in _FALLBACKS if size < first)


def _release_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
