"""A patch discriminator: a net of its own, from nothing but the images."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal, Self

import torch
from torch import Tensor, nn

from toolkit.checkpoints import load_tensors


class PatchDiscriminator:
    """Strided convolutions, then one vote for each location.

    It inherits from nothing: it fits because it has the members of
    `toolkit.interfaces.Discriminator`.

    Args:
        width: Channels of the first layer.
        halvings: Number of strided layers, n.
    """

    judges: Literal["images"] = "images"
    shared_draws = False  # it draws nothing

    def __init__(self, width: int, halvings: int) -> None:
        widths = [3, *(width << n for n in range(halvings))]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self._network = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 3, padding=1))

    def logits(self, x: Tensor, rng: torch.Generator) -> Tensor:  # noqa: ARG002
        """Logits that each region of images `[b, 3, h, w]` is real, `[b, 1, h/2^n, w/2^n]`."""
        votes: Tensor = self._network(2 * x - 1)  # [0, 1] to [-1, 1]
        return votes.float()

    def observe(self, real_logits: Tensor, fake_logits: Tensor) -> None:
        """Has no schedule that adapts."""

    def trainable(self) -> dict[str, nn.Parameter]:
        """All of the network."""
        return dict(self._network.named_parameters())

    def state(self) -> dict[str, Tensor]:
        """What is trained, detached; a network with buffers would add them here."""
        return {name: parameter.detach() for name, parameter in self.trainable().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes over what `state` returned; raises `CheckpointError` where it does not fit."""
        load_tensors(self.state(), state, "the discriminator")

    def to(self, device: torch.device) -> Self:
        """Moves the network to a device."""
        self._network.to(device)
        return self
