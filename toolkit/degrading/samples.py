"""Reproducible samples: seed and index determine the degradation of an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from toolkit.abilities import Replayable
from toolkit.contracts import check_lr
from toolkit.interfaces import Degradation
from toolkit.makers import border, maker_of
from toolkit.streams import stream


def degrade(degradation: Degradation, hr: Tensor, seed: int, indices: Sequence[int]) -> Tensor:
    """Degrades images, `[b, 3, h, w]`, each determined by the seed and its index.

    Returns:
        `[b, 3, h/scale, w/scale]`, in [0, 1].

    Raises:
        ComponentError: The degradation failed, or returned something else.
    """
    lr = check_lr(degradation, _made(degradation, hr, seed, indices), hr)
    maker = maker_of(degradation)
    if maker and hr.device.type == "cpu" and maker.once("draws"):
        again = _made(degradation, hr[:1], seed, indices[:1])
        if not torch.equal(again, lr[:1]):
            raise maker.fault(
                "returned another LR image for the same image and stream, from which alone it may "
                "draw."
            )
    return lr


def _made(degradation: Degradation, hr: Tensor, seed: int, indices: Sequence[int]) -> Tensor:
    with border(degradation):
        if isinstance(degradation, Replayable):
            return degradation.batch(hr, seed, indices)
        streams = (stream(seed, "degradation", index) for index in indices)
        images = [degradation(image, rng) for image, rng in zip(hr, streams, strict=True)]
        return torch.stack(images)
