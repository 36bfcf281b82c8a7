"""Watches a step: sums its losses over pieces and ranks, and refuses values that are not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from toolkit.errors import DivergedError
from toolkit.training.health import Health, health_of
from toolkit.training.ranks import Ranks
from toolkit.training.system import Learner, System


@dataclass(frozen=True)
class Figures:
    """What a step computed, over its whole batch.

    Attributes:
        losses: Unweighted, by name.
        gradients: Norms before clipping, by learner.
        health: See `toolkit.training.health`.
    """

    losses: dict[str, float]
    gradients: dict[str, float]
    health: dict[str, float] = field(default_factory=dict)

    @property
    def not_finite(self) -> list[str]:
        """The losses and gradients that are not finite, in words."""
        watched = self._watched().items()
        return [f"{name} ({value})" for name, value in watched if not math.isfinite(value)]

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:.4g}" for name, value in self._watched().items())

    def flat(self) -> dict[str, float]:
        """Returns all of them by name, for a log."""
        return {**self._watched(), **self.health}

    def _watched(self) -> dict[str, float]:
        norms = {f"{name} gradient": norm for name, norm in self.gradients.items()}
        return {**self.losses, **norms}


class NotFiniteError(DivergedError):
    """A loss or a gradient is not finite; the step was not applied.

    Attributes:
        figures: What the step computed.
    """

    def __init__(self, message: str, figures: Figures) -> None:
        super().__init__(message)
        self.figures = figures


class Watch:
    """Collects what a step computes.

    Args:
        system: Whose step it is.
        step: Counted from 0.
        parts: Number of pieces that the whole batch is split into, over all ranks.
    """

    def __init__(self, system: System, step: int, parts: int) -> None:
        self._system, self._step, self._parts = system, step, parts
        self._losses: dict[str, Tensor] = {}
        self.health = Health(system.device)

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Adds the losses of a piece."""
        for name, value in losses.items():
            share = value.detach().float() / self._parts
            self._losses[name] = self._losses[name] + share if name in self._losses else share

    def check(self, learners: Mapping[str, Learner]) -> Figures:
        """Sums gradients and losses over all ranks, checks them, and clips the gradients.

        Raises:
            NotFiniteError: Some are not finite, on any rank.
        """
        ranks = self._system.ranks
        for learner in learners.values():
            sum_gradients(ranks, list(learner.parameters.values()))
        norms = [nn.utils.get_total_norm(learner.gradients) for learner in learners.values()]
        sums = {**self._losses, **self.health.sums}
        values = torch.stack(list(sums.values()))
        ranks.add([values])
        # Read at once, as each reading waits for the GPU.
        read = iter(torch.cat([values, torch.stack(norms).to(values)]).tolist())
        losses = dict(zip(self._losses, read, strict=False))
        health = health_of(dict(zip(self.health.sums, read, strict=False)))
        figures = Figures(losses, dict(zip(learners, read, strict=True)), health)
        self._refuse(figures)
        if self._system.clip:
            for learner, norm in zip(learners.values(), norms, strict=True):
                limit = self._system.clip
                nn.utils.clip_grads_with_norm_(learner.parameters.values(), limit, norm)
        return figures

    def _refuse(self, figures: Figures) -> None:
        if not figures.not_finite:
            return
        guilty = [name for name, value in figures.losses.items() if not math.isfinite(value)]
        what = f"The loss {guilty[0]!r}" if guilty else "A gradient"
        raise NotFiniteError(f"{what} is not finite at step {self._step + 1}: {figures}.", figures)


def sum_gradients(ranks: Ranks, parameters: Sequence[nn.Parameter]) -> None:
    """Sums gradients over all ranks; a parameter has none afterwards if it has none on any rank.

    Which parameters a network uses may depend on its input, and so differ between ranks.
    """
    if ranks.size == 1:
        return
    used = torch.tensor([float(each.grad is not None) for each in parameters])
    ranks.add([used])
    held = [each for each, count in zip(parameters, used.tolist(), strict=True) if count]
    for each in held:
        if each.grad is None:
            each.grad = torch.zeros_like(each)
    ranks.add([each.grad for each in held if each.grad is not None])
