"""What a generator makes of an LR batch: latents, and images that may not be decoded yet."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Prediction:
    """What a generator makes of an LR batch.

    Args:
        image: `[b, 3, 4h, 4w]`; may leave [0, 1] a little, so that gradients do not stop there.
            Or a function that decodes it, called once and only when the image is asked for:
            training on latents alone then decodes nothing.
        latent: `[b, c, 4h/f, 4w/f]`, scaled.
    """

    def __init__(self, image: Tensor | Callable[[], Tensor], latent: Tensor) -> None:
        self.latent = latent
        self._image = image

    def __iter__(self) -> Iterator[Tensor]:
        """Image and latent, so that both can be taken apart at once."""
        yield self.image
        yield self.latent

    @property
    def decoded(self) -> bool:
        """Whether the image is there already."""
        return "image" in vars(self) or not callable(self._image)

    @functools.cached_property
    def image(self) -> Tensor:
        """`[b, 3, 4h, 4w]`."""
        return self._image() if callable(self._image) else self._image
