"""Samples by (seed, index), which alone decide what happens to an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from toolkit.contracts import check_lr
from toolkit.interfaces import Degradation
from toolkit.makers import border
from toolkit.streams import stream

Steps = Sequence[Mapping[str, Any]]
"""What was done to an image, in order, as JSON's types."""


@runtime_checkable
class Replayable(Protocol):
    """What a degradation may also offer: what it does, as data, and many images at once."""

    def describe(self, seed: int, index: int) -> Steps:
        """What happens to sample `index` of `seed`, whatever the image."""
        ...

    def apply(self, hr: Tensor, history: Steps) -> Tensor:
        """Does to `hr`, `[3, h, w]`, what `describe` gave, perhaps edited since."""
        ...

    def batch(self, hr: Tensor, seed: int, indices: Sequence[int]) -> Tensor:
        """`[b, 3, h, w]` to `[b, 3, h/scale, w/scale]`: to the last bit as one by one."""
        ...


def degrade(degradation: Degradation, hr: Tensor, seed: int, indices: Sequence[int]) -> Tensor:
    """Degrades images, `[b, 3, h, w]`, each as its own (seed, index) decides.

    Returns:
        `[b, 3, h/scale, w/scale]`, in [0, 1].

    Raises:
        ComponentError: The degradation failed, or made something else.
    """
    with border(degradation):
        if isinstance(degradation, Replayable):
            lr = degradation.batch(hr, seed, indices)
        else:
            streams = (stream(seed, "degradation", index) for index in indices)
            made = [degradation(image, rng) for image, rng in zip(hr, streams, strict=True)]
            lr = torch.stack(made)
    return check_lr(degradation, lr, hr)
