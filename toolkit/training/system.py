"""Everything that takes part in a training step, and the pieces that its batch is split into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from toolkit.contracts import encode
from toolkit.interfaces import Discriminator, Generator, PerceptualLoss, Trainable
from toolkit.recipe import Objective
from toolkit.training.averaging import Average
from toolkit.training.data import Batch
from toolkit.training.draws import Draws
from toolkit.training.ranks import Ranks


class Term(NamedTuple):
    """A loss between images in eq. 8."""

    weight: float
    loss: PerceptualLoss
    crop: int = 0
    """Side of a random square that is compared; 0 for whole crops."""


@dataclass
class Learner:
    """A network being trained, with its parameters, optimiser and base learning rate."""

    part: Trainable
    parameters: dict[str, nn.Parameter]
    optimizer: torch.optim.Optimizer
    rate: float

    @property
    def gradients(self) -> list[Tensor]:
        """The gradients of those parameters that have one."""
        return [each.grad for each in self.parameters.values() if each.grad is not None]


@dataclass
class System:
    """Everything that takes part in a training step.

    Attributes:
        generator: The generator.
        discriminator: The discriminator.
        losses: The losses between images, by name (eq. 8).
        objective: Weights of the other losses.
        learners: "generator", and "discriminator" if it has parameters to train.
        precision: Dtype that the networks compute in.
        seed: Seed of the run; with the number of a step it determines every random draw.
        ranks: The processes of the training; they share each batch.
        accumulate: Number of pieces that this process splits its share of a batch into.
        clip: Largest norm of a learner's gradient; 0 for no limit.
        average: Moving average of the generator's weights, if there is one.
        latents: Number of HR latents to keep.
    """

    generator: Generator
    discriminator: Discriminator
    losses: dict[str, Term]
    objective: Objective
    learners: dict[str, Learner]
    precision: torch.dtype
    seed: int
    ranks: Ranks
    accumulate: int = 1
    clip: float = 0.0
    average: Average | None = None
    latents: int = 0
    _kept: dict[str, Tensor] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Device of all parts."""
        return self.ranks.device

    @property
    def adversarial(self) -> bool:
        """Whether there is a discriminator."""
        return self.discriminator.judges != "nothing"

    @property
    def judges_latents(self) -> bool:
        """Whether the discriminator takes latents rather than images."""
        return self.discriminator.judges == "latents"

    @property
    def discriminator_parameters(self) -> dict[str, nn.Parameter]:
        """The discriminator's trainable parameters; empty if there are none."""
        learner = self.learners.get("discriminator")
        return learner.parameters if learner else {}

    def pieces(self, batch: Batch, step: int) -> list[Piece]:
        """Splits this process's share of a step's batch into pieces, on the system's device."""
        first = (step * self.ranks.size + self.ranks.rank) * len(batch.lr)
        numbers = batch.numbers or tuple(range(first, first + len(batch.lr)))
        batch = batch._replace(numbers=numbers)
        return [
            Piece(self, piece.to(self.device), Draws(self.seed, step, piece.numbers, self.device))
            for piece in batch.split(self.accumulate)
        ]

    def autocast(self) -> AbstractContextManager[Any]:
        """Returns a context in which networks compute in the system's precision."""
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.precision)

    def encode(self, batch: Batch, shape: torch.Size) -> Tensor:
        """Encodes HR crops to latents of `shape`, or takes those that are kept."""
        if not self.latents or not batch.crops:
            return encode(self.generator, batch.hr, shape)
        return torch.cat(
            [
                self._kept_latent(crop, hr[None], torch.Size((1, *shape[1:])))
                for crop, hr in zip(batch.crops, batch.hr, strict=True)
            ]
        )

    def _kept_latent(self, crop: str, hr: Tensor, shape: torch.Size) -> Tensor:
        # Encoded one by one: rounding depends on the size of a batch, and a resumed run, which has
        # kept nothing yet, must get the same latents.
        if (kept := self._kept.get(crop)) is not None:
            return kept
        latent = encode(self.generator, hr, shape)
        if len(self._kept) < self.latents:
            self._kept[crop] = latent
        return latent


class Piece:
    """Images that go through the networks at once, with their random draws.

    Args:
        system: Encodes the HR crops.
        batch: The images, on the system's device.
        draws: Their random streams.
    """

    def __init__(self, system: System, batch: Batch, draws: Draws) -> None:
        self._system, self._batch, self.draws = system, batch, draws
        self._latent: Tensor | None = None

    @property
    def lr(self) -> Tensor:
        """LR images, `[b, 3, h, w]`."""
        return self._batch.lr

    @property
    def hr(self) -> Tensor:
        """HR images, `[b, 3, s·h, s·w]`."""
        return self._batch.hr

    def latent(self, shape: torch.Size) -> Tensor:
        """Returns the latents of the HR images, `[b, c, h/f, w/f]`, encoded once per step."""
        if self._latent is None:
            self._latent = self._system.encode(self._batch, shape)
        return self._latent


@contextmanager
def frozen(parameters: Mapping[str, nn.Parameter]) -> Iterator[None]:
    """Freezes parameters for the duration of a block; gradients still pass through them."""
    for parameter in parameters.values():
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters.values():
            parameter.requires_grad_(True)
