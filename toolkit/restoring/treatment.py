"""How a restorer is applied to images: tiles, colours, strength and size of the result."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from toolkit.abilities import HasStrength, matches_colours, tiles_itself
from toolkit.errors import UsageError
from toolkit.images import bicubic_rows
from toolkit.images.resizing import rows_needed, rows_of
from toolkit.members import with_strength
from toolkit.restoring.colour import ColourMethod, check_method, matched_strips
from toolkit.restoring.sizes import Size
from toolkit.restoring.tiles import check_tiles, restored_strips

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from toolkit.interfaces import Restorer
    from toolkit.restoring.tiles import OnTile

_STRIP = 256
"""Rows resized at a time, to save memory."""


@dataclass(frozen=True)
class Treatment:
    """What is asked of a restoration beside the restorer.

    Attributes:
        tile: See `restored_strips`.
        colour: See `match_colour`.
        strength: From 0, the enlarged input, to 1, the full restoration.
        size: Size of the results.
    """

    tile: int | None = None
    colour: ColourMethod = "none"
    strength: float = 1.0
    size: Size = field(default_factory=Size)

    def check(self, restorer: Restorer) -> None:
        """Raises `UsageError` for a value that is invalid, or that the restorer cannot fulfil."""
        check_tiles(self.tile)
        check_method(self.colour)
        if not 0 <= self.strength <= 1:
            raise UsageError(
                f"--strength {self.strength:g} is not between 0 and 1.",
                "Use --strength 0.5 for half the effect.",
            )
        self.size.check(restorer.scale, restorer.name)

    def fitted(self, restorer: Restorer) -> tuple[Restorer, Treatment]:
        """Returns the restorer and the treatment that do this, given what the restorer offers.

        One with a dial for its strength is turned down; one that tiles itself is given whole
        images.
        """
        treatment = self
        if self.strength < 1 and isinstance(restorer, HasStrength):
            restorer = with_strength(restorer, self.strength)
            treatment = replace(treatment, strength=1.0)
        if self.tile is None and tiles_itself(restorer):
            treatment = replace(treatment, tile=0)
        return restorer, treatment


def colour_for(restorer: Restorer, asked: ColourMethod | None) -> ColourMethod:
    """Returns the method that is asked for, or the one that suits the restorer."""
    return asked or ("none" if matches_colours(restorer) else "wavelet")


def treated_strips(
    restorer: Restorer,
    lr: Tensor,
    treatment: Treatment,
    *,
    device: torch.device | None = None,
    on_tile: OnTile | None = None,
) -> Iterator[Tensor]:
    """Restores images of one size, and yields rows of the results as they are finished.

    Args:
        restorer: Already on `device`.
        lr: `[b, 3, h, w]`, in [0, 1].
        treatment: From `Treatment.fitted`.
        device: Device of the restorer; None for that of `lr`.
        on_tile: Called with (finished tiles, all tiles) after each tile.

    Yields:
        `[b, 3, rows, W]`, in [0, 1], from top to bottom; H and W follow from `treatment.size`.

    Raises:
        ImageError: The size is larger than the restorer can make it.
        ToolkitError: The restorer returned a wrong size, or values that are not finite.
    """
    height, width = lr.shape[2:]
    wanted = treatment.size.of(height, width, restorer.scale)
    whole = height * restorer.scale, width * restorer.scale
    strips = restored_strips(restorer, lr, treatment.tile, device=device, on_tile=on_tile)
    strips = matched_strips(strips, lr, whole, treatment.colour)
    if treatment.strength < 1:
        strips = _weakened(strips, lr, whole, treatment.strength)
    if wanted != whole:
        strips = _resized(strips, whole, wanted)
    return (strip.clamp_(0, 1) for strip in strips)


def _weakened(
    strips: Iterator[Tensor], lr: Tensor, size: tuple[int, int], strength: float
) -> Iterator[Tensor]:
    """Mixes the restored image with the enlarged input."""
    top = 0
    for strip in strips:
        end = top + strip.shape[2]
        yield torch.lerp(bicubic_rows(lr, size, top, end).clamp_(0, 1), strip, strength)
        top = end


def _resized(
    strips: Iterator[Tensor], size: tuple[int, int], wanted: tuple[int, int]
) -> Iterator[Tensor]:
    """Resizes an image of `size`, with antialiasing."""
    height, new_height = size[0], wanted[0]
    held, top, done = None, 0, 0  # rows from row `top` on
    for strip in strips:
        held = strip if held is None else torch.cat([held, strip], 2)
        while done < new_height:
            end = min(done + _STRIP, new_height)
            if rows_needed(height, new_height, done, end)[1] > top + held.shape[2]:
                break
            yield rows_of(held, top, height, wanted, done, end)
            done = end
            if done < new_height:
                kept = rows_needed(height, new_height, done, done + 1)[0]
                held, top = held[:, :, max(0, kept - top) :], max(top, kept)
