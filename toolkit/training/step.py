"""One training step, whole: the generator's, then the discriminator's on the same fakes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from toolkit.contracts import distances, encode, logits, observe, predict
from toolkit.errors import DivergedError
from toolkit.interfaces import Discriminator, Generator, PerceptualLoss, Trainable
from toolkit.recipe import Objective
from toolkit.streams import torch_stream
from toolkit.training.averaging import Average
from toolkit.training.data import Batch

Draws = Callable[[str], torch.Generator]
"""Returns the random stream of a purpose, on the system's device."""


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
    optimizer: torch.optim.AdamW
    rate: float


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
        device: Device of all parts.
        accumulate: Number of pieces that a batch is split into.
        average: Moving average of the generator's weights, if there is one.
    """

    generator: Generator
    discriminator: Discriminator
    losses: dict[str, Term]
    objective: Objective
    learners: dict[str, Learner]
    precision: torch.dtype
    seed: int
    device: torch.device
    accumulate: int = 1
    average: Average | None = None

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


def train_step(system: System, batch: Batch, step: int) -> dict[str, float]:
    """Trains generator and discriminator on one batch.

    Args:
        system: Trained in place.
        batch: On any device.
        step: Counted from 0.

    Returns:
        The unweighted losses, by name.

    Raises:
        DivergedError: A loss or gradient is not finite; no weights were changed.
    """
    means: dict[str, float] = {}
    first_loss_only = step < system.objective.first_loss_steps
    if step == system.objective.first_loss_steps:
        # AdamW's moments were estimated from much smaller gradients; keeping them would make the
        # next updates explode.
        system.learners["generator"].optimizer.state.clear()
    pieces = [piece.to(system.device) for piece in batch.split(system.accumulate)]
    fakes: list[Tensor] = []

    # The discriminator stays frozen until the last backward pass, in which checkpointed activations
    # are recomputed.
    with frozen(system.discriminator_parameters), _step(system.learners["generator"], means, step):
        for number, piece in enumerate(pieces):
            draws = _draws(system, step, number)
            total, losses, fake = generator_terms(
                system, piece, draws, first_loss_only=first_loss_only
            )
            _backward(total / len(pieces), losses, means, step, len(pieces))
            fakes.append(fake.detach())

    if system.average:
        system.average.update(step)
    if system.discriminator_parameters and not first_loss_only:
        verdicts: list[tuple[Tensor, Tensor]] = []
        with _step(system.learners["discriminator"], means, step):
            for number, (piece, fake) in enumerate(zip(pieces, fakes, strict=True)):
                draws = _draws(system, step, number)
                total, losses, verdict = discriminator_terms(system, fake, piece.hr, draws)
                _backward(total / len(pieces), losses, means, step, len(pieces))
                verdicts.append(verdict)
        real, judged = (torch.cat(each) for each in zip(*verdicts, strict=True))
        observe(system.discriminator, real, judged)
    return means


def generator_terms(
    system: System, batch: Batch, draws: Draws, *, first_loss_only: bool = False
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Returns eq. 8's weighted sum, its losses by name, and the discriminator's input.

    With `first_loss_only`, the first loss alone.
    """
    between_images = dict(itertools.islice(system.losses.items(), 1 if first_loss_only else None))
    with _autocast(system):
        prediction = predict(system.generator, batch.lr)
        losses = {
            name: _distance(term, prediction.image, batch.hr, draws)
            for name, term in between_images.items()
        }
        terms = [term.weight * losses[name] for name, term in between_images.items()]
        if system.objective.latent and not first_loss_only:
            wanted = encode(system.generator, batch.hr, prediction.latent.shape)
            losses["latent"] = F.mse_loss(prediction.latent, wanted)
            terms.append(system.objective.latent * losses["latent"])
        judges_images = system.discriminator.judges == "images"
        fake = prediction.image if judges_images else prediction.latent
        if system.adversarial and not first_loss_only:
            verdict = logits(system.discriminator, fake, draws("generator"))
            losses["adversarial"] = adversarial_loss(verdict)
            terms.append(system.objective.adversarial * losses["adversarial"])
    return torch.stack(terms).sum(), losses, fake


def discriminator_terms(
    system: System, fake: Tensor, hr: Tensor, draws: Draws
) -> tuple[Tensor, dict[str, Tensor], tuple[Tensor, Tensor]]:
    """Returns eq. 3's weighted loss, the loss by name, and the logits of real and fake samples.

    `fake` is detached from the generator.
    """
    with _autocast(system):
        real = encode(system.generator, hr, fake.shape) if system.judges_latents else hr
        fake_logits = logits(system.discriminator, fake, draws("fake"))
        purpose = "fake" if system.discriminator.shared_draws else "real"
        real_logits = logits(system.discriminator, real, draws(purpose))
        loss = discriminator_loss(fake_logits, real_logits)
    verdicts = real_logits.detach(), fake_logits.detach()
    return system.objective.discriminator * loss, {"discriminator": loss}, verdicts


def _distance(term: Term, image: Tensor, hr: Tensor, draws: Draws) -> Tensor:
    """Returns a loss between images, averaged over the batch."""
    side = min(term.crop, *hr.shape[-2:])
    if side:
        top = _offset(draws("top of losses"), hr.shape[-2] - side)
        left = _offset(draws("left of losses"), hr.shape[-1] - side)
        image, hr = (x[..., top : top + side, left : left + side] for x in (image, hr))
    return distances(term.loss, image, hr).mean()


def _offset(rng: torch.Generator | None, room: int) -> int:
    """Draws an offset of at most `room`; 0 on the meta device, which has no random streams."""
    return int(torch.randint(room + 1, (), generator=rng, device=rng.device)) if rng else 0


def adversarial_loss(fake_logits: Tensor) -> Tensor:
    """L_G = −E log D(fake) (eq. 2), over all regions.

    Example:
        >>> round(adversarial_loss(torch.zeros(1, 1, 2, 2)).item(), 4)  # undecided: log 2
        0.6931
    """
    return F.softplus(-fake_logits).mean()


def discriminator_loss(fake_logits: Tensor, real_logits: Tensor) -> Tensor:
    """L_D = −E log(1 − D(fake)) − E log D(real) (eq. 3), over all regions."""
    return F.softplus(fake_logits).mean() + F.softplus(-real_logits).mean()


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


def _draws(system: System, step: int, piece: int) -> Draws:
    """Returns the random streams for one piece of a step's batch."""
    counters = (step, piece) if piece else (step,)

    def draw(purpose: str) -> torch.Generator:
        return torch_stream(system.seed, f"noise of {purpose}", *counters, device=system.device)

    return draw


def _backward(
    loss: Tensor, losses: Mapping[str, Tensor], means: dict[str, float], step: int, pieces: int
) -> None:
    """Backpropagates a piece's loss and adds its losses to the step's; they must be finite."""
    for name, value in losses.items():
        if not value.isfinite():
            raise DivergedError(f"The loss {name!r} became {value.item()} at step {step + 1}.")
    loss.backward()  # type: ignore[no-untyped-call]
    for name, value in losses.items():
        means[name] = means.get(name, 0.0) + value.item() / pieces


@contextmanager
def _step(learner: Learner, means: Mapping[str, float], step: int) -> Iterator[None]:
    """Takes an optimiser step on the gradients that its block collects; they must be finite."""
    learner.optimizer.zero_grad(set_to_none=True)
    yield
    gradients = [p.grad for p in learner.parameters.values() if p.grad is not None]
    if not nn.utils.get_total_norm(gradients).isfinite():
        found = ", ".join(f"{name} {value:.4g}" for name, value in means.items())
        raise DivergedError(
            f"A gradient became infinite at step {step + 1}; the losses were {found}."
        )
    learner.optimizer.step()


def _autocast(system: System) -> AbstractContextManager[Any]:
    if system.precision == torch.float32:
        return nullcontext()
    return torch.autocast(system.device.type, system.precision)
