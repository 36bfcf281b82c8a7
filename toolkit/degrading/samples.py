"""Reproducible samples: seed and index determine the degradation of an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from toolkit.abilities import Replayable
from toolkit.contracts import check_lr
from toolkit.interfaces import Degradation
from toolkit.makers import border
from toolkit.streams import stream


def degrade(degradation: Degradation, hr: Tensor, seed: int, indices: Sequence[int]) -> Tensor:
    """Degrades images, `[b, 3, h, w]`, each determined by the seed and its index.

    Returns:
        `[b, 3, h/scale, w/scale]`, in [0, 1].

    Raises:
        ComponentError: The degradation failed, or returned something else.
    """
    with border(degradation):
        if isinstance(degradation, Replayable):
            lr = degradation.batch(hr, seed, indices)
        else:
            streams = (stream(seed, "degradation", index) for index in indices)
            images = [degradation(image, rng) for image, rng in zip(hr, streams, strict=True)]
            lr = torch.stack(images)
    return check_lr(degradation, lr, hr)
