"""The exponential moving average of a generator's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from toolkit.members import load_state, state


class Stateful(Protocol):
    """A generator, or any network that returns and loads its weights by name."""

    def state(self) -> Mapping[str, Tensor]:
        """Returns its current weights."""
        ...

    def load_state(self, state: Mapping[str, Tensor]) -> Any:
        """Loads what `state` returned."""
        ...


class Average:
    """Exponential moving average of all that a generator's `state` returns.

    Its first steps forget faster, as the mean of few weights would: after n of them the decay is
    (1 + n) / (10 + n) at most.

    Args:
        generator: Whose weights are followed.
        decay: Share of the average that stays at each step, 0 to below 1.
    """

    def __init__(self, generator: Stateful, decay: float) -> None:
        self._generator = cast("Any", generator)
        self._decay = decay
        self.weights = {name: tensor.clone() for name, tensor in state(self._generator).items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Updates the average after step `step`, counted from 0."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, tensor in state(self._generator).items():
            kept = self.weights[name]
            if kept.is_floating_point():
                kept.lerp_(tensor.to(kept), 1 - decay)
            else:
                kept.copy_(tensor)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Loads a saved average."""
        self.weights = {
            name: weights[name].to(own, copy=True) for name, own in self.weights.items()
        }

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Loads the averaged weights into the generator for the duration of a block."""
        trained = {name: tensor.clone() for name, tensor in state(self._generator).items()}
        load_state(self._generator, self.weights)
        try:
            yield
        finally:
            load_state(self._generator, trained)
