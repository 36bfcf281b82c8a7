"""A patch discriminator for images."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from toolkit.plugin import TrainableModule


class PatchDiscriminator(TrainableModule):
    """Strided convolutions, followed by one logit per location.

    Args:
        width: Channels of the first layer; each further layer has twice as many.
        halvings: Number n of strided layers.
    """

    judges: Literal["images"] = "images"

    def __init__(self, width: int, halvings: int) -> None:
        super().__init__()
        widths = [3, *(width << n for n in range(halvings))]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.network = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 3, padding=1))

    def logits(self, x: Tensor, rng: torch.Generator) -> Tensor:  # noqa: ARG002 - draws nothing
        """Returns a logit per region of images `[b, 3, h, w]`, `[b, 1, h/2^n, w/2^n]`."""
        logits: Tensor = self.network(2 * x - 1)  # [0, 1] to [-1, 1]
        return logits
