"""No discriminator: training without an adversarial term."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

import torch
from torch import Tensor, nn

from toolkit.plugin import load_tensors


class NoDiscriminator:
    """A stand-in without parameters; training skips the adversarial term."""

    judges: Literal["nothing"] = "nothing"
    shared_draws = False

    def logits(self, x: Tensor, rng: torch.Generator) -> Tensor:  # noqa: ARG002
        """Returns zeros, `[b, 1]`; training never calls it."""
        return x.new_zeros(x.shape[0], 1)

    def observe(self, real_logits: Tensor, fake_logits: Tensor) -> None:
        """Does nothing."""

    def trainable(self) -> dict[str, nn.Parameter]:
        """Returns an empty mapping."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """Returns an empty mapping."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Accepts only an empty state; raises `CheckpointError` otherwise."""
        load_tensors({}, state, "no discriminator")

    def to(self, device: torch.device) -> Self:  # noqa: ARG002
        """Returns itself."""
        return self
