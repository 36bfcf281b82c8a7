"""The output of a generator: latents, and images that are decoded on demand."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Prediction:
    """A generator's output for an LR batch.

    Args:
        image: `[b, 3, 4h, 4w]`, not clamped to [0, 1], which would stop gradients; or a function
            that decodes it, called at most once, on first access. Training on latents alone then
            decodes nothing.
        latent: `[b, c, 4h/f, 4w/f]`, scaled.
    """

    def __init__(self, image: Tensor | Callable[[], Tensor], latent: Tensor) -> None:
        self.latent = latent
        self._image = image

    def __iter__(self) -> Iterator[Tensor]:
        """Yields image and latent, for unpacking."""
        yield self.image
        yield self.latent

    @property
    def decoded(self) -> bool:
        """Whether the image is decoded already."""
        return "image" in vars(self) or not callable(self._image)

    @functools.cached_property
    def image(self) -> Tensor:
        """The image, `[b, 3, 4h, 4w]`; decoded on first access."""
        return self._image() if callable(self._image) else self._image
