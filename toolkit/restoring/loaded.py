"""Restoring from Python: `toolkit.restore` and `toolkit.load`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from toolkit import defaults
from toolkit.contracts import move
from toolkit.devices import choose_device
from toolkit.discovery import installed
from toolkit.images.conversion import converted, picture_of
from toolkit.restoring.opening import note_on, open_restorer
from toolkit.restoring.pictures import restore_pictures
from toolkit.restoring.sizes import Size
from toolkit.restoring.treatment import Treatment, colour_for

if TYPE_CHECKING:
    from toolkit.images import Note
    from toolkit.interfaces import Restorer
    from toolkit.restoring.colour import ColourMethod
    from toolkit.restoring.tiles import OnTile

I = TypeVar("I")  # noqa: E741 - an image, or several


@dataclass(frozen=True)
class Loaded:
    """A restorer in memory, which is called with images.

    Attributes:
        restorer: The restorer itself, for tensors.
        device: Where it computes.
        called: What the user called it.
    """

    restorer: Restorer
    device: torch.device
    called: str = ""

    @property
    def name(self) -> str:
        """Name of the restorer."""
        return self.restorer.name

    @property
    def scale(self) -> int:
        """How many times it enlarges an image along each side, at most."""
        return self.restorer.scale

    @cached_property
    def note(self) -> Note:
        """What files record of it; see `note_on`."""
        return note_on(self.restorer, self.called)

    def __call__(  # noqa: PLR0913 - each is an option of `toolkit restore`, too
        self,
        image: I,
        *,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        max_side: int | None = None,
        strength: float = 1.0,
        tile: int | None = None,
        colour: ColourMethod | None = None,
        on_tile: OnTile | None = None,
    ) -> I:
        """Restores an image, or several.

        Args:
            image: A path; a Pillow image; a NumPy array `[h, w]`, `[h, w, 3]` or `[h, w, 4]`, in
                RGB, uint8, uint16 or float in [0, 1]; a tensor `[3, h, w]`, float in [0, 1]; a list
                of these; or an array `[b, h, w, c]` or tensor `[b, 3, h, w]`. Those of one size go
                through the network together.
            scale: Factor for both sides, up to that of the restorer; None for its own.
            width: Of the result, in pixels; with `height`, a box in which the result just fits.
            height: Of the result, in pixels.
            max_side: Limit of the result's longer side, in pixels.
            strength: From 0, the enlarged input, to 1, the full restoration.
            tile: Side of the tiles in input pixels; 0 for whole images; None to choose by size.
            colour: `wavelet`, `adain` or `none`; None for `wavelet`, or the restorer's own method.
            on_tile: Called with (finished tiles, all tiles) after each tile, for images of each
                size anew.

        Returns:
            An image of the kind that was given; a Pillow image for a path; a list for a list.

        Raises:
            ImageError: An image cannot be read, is none, or would become larger than the restorer
                can make it.
            UsageError: A setting is invalid.
        """
        treatment = Treatment(
            tile, colour_for(self.restorer, colour), strength, Size(scale, width, height, max_side)
        )
        treatment.check(self.restorer)
        given: Any = image
        batch = isinstance(given, np.ndarray | torch.Tensor) and given.ndim == 4
        if not batch and not isinstance(given, list | tuple):
            [made] = self._several([given], treatment, on_tile)
            return made  # type: ignore[no-any-return]
        made = self._several(list(given), treatment, on_tile)
        if not batch or not made:
            return made  # type: ignore[return-value]
        return np.stack(made) if isinstance(given, np.ndarray) else torch.stack(made)  # type: ignore[return-value]

    def to(self, device: str) -> Loaded:
        """Moves the restorer to a device; use what is returned from then on.

        Raises:
            UsageError: There is no such device.
        """
        chosen = choose_device(device)
        move(self.restorer, chosen)
        return replace(self, device=chosen)

    def _several(
        self, images: Sequence[Any], treatment: Treatment, on_tile: OnTile | None
    ) -> list[Any]:
        pictures = [picture_of(image) for image in images]
        sizes: dict[tuple[int, ...], list[int]] = {}
        for number, picture in enumerate(pictures):
            sizes.setdefault(tuple(picture.rgb.shape), []).append(number)
        made: list[Any] = [None] * len(images)
        for numbers in sizes.values():
            restored, _ = restore_pictures(
                self.restorer, [pictures[n] for n in numbers], treatment,
                device=self.device, on_tile=on_tile,
            )  # fmt: skip
            for number, picture in zip(numbers, restored, strict=True):
                made[number] = converted(picture, images[number])
        return made


def load(
    with_: str = defaults.RESTORER,
    *,
    device: str = "auto",
    precision: str | None = None,
    **options: Any,
) -> Loaded:
    """Loads a restorer and keeps it in memory.

    Args:
        with_: A restorer's name, a run's folder, or one of its checkpoints.
        device: `cpu`, `cuda`, or `auto`.
        precision: `float32`, `bfloat16` or `float16`; None for the restorer's own.
        options: Of the restorer; `toolkit plugins show NAME` lists them.

    Raises:
        UnknownComponentError: There is no such restorer.
        OptionsError: An option is unknown, ill-typed or out of range.
        ToolkitError: Weights are missing, or the device is.

    Example:
        >>> restorer = toolkit.load("pocket")  # doctest: +SKIP
        >>> for path in Path("scans").glob("*.jpg"):  # doctest: +SKIP
        ...     restorer(path).save(f"restored/{path.stem}.png")
    """
    asked = options | ({"precision": precision} if precision else {})
    chosen = choose_device(device)
    restorer = open_restorer(with_, installed(), asked)
    move(restorer, chosen)
    return Loaded(restorer, chosen, with_)


def restore(
    image: I,
    with_: str = defaults.RESTORER,
    *,
    device: str = "auto",
    precision: str | None = None,
    **settings: Any,
) -> I:
    """Restores an image, or several, with a restorer that is loaded for it.

    Args:
        image: See `Loaded.__call__`.
        with_: See `load`, which keeps a restorer for further images.
        device: See `load`.
        precision: See `load`.
        settings: `scale`, `width`, `height`, `max_side`, `strength`, `tile` and `colour`, see
            `Loaded.__call__`.

    Example:
        >>> toolkit.restore("photo.jpg", scale=2).save("photo_x2.png")  # doctest: +SKIP
    """
    return load(with_, device=device, precision=precision)(image, **settings)
