"""No discriminator: training without an adversarial term."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

import torch
from torch import Tensor, nn

from toolkit.checkpoints import load_tensors


class Absent:
    """Judges nothing and learns nothing."""

    judges: Literal["nothing"] = "nothing"
    shared_draws = False

    def logits(self, x: Tensor, rng: torch.Generator) -> Tensor:  # noqa: ARG002
        """Undecided everywhere, `[b, 1]`; training never asks."""
        return x.new_zeros(x.shape[0], 1)

    def observe(self, real_logits: Tensor, fake_logits: Tensor) -> None:
        """Has nothing to learn."""

    def trainable(self) -> dict[str, nn.Parameter]:
        """Nothing."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Accepts an empty state alone."""
        load_tensors({}, state, "no discriminator")

    def to(self, device: torch.device) -> Self:  # noqa: ARG002
        """Has nothing to move."""
        return self
