"""One training step, whole: the generator's, then the discriminator's on the same fakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from toolkit.contracts import distances, encode, logits, observe, predict
from toolkit.errors import DivergedError
from toolkit.interfaces import Discriminator, Generator, PerceptualLoss, Trainable
from toolkit.settings import Objective
from toolkit.streams import torch_stream
from toolkit.training.averaging import Average
from toolkit.training.data import Batch

Draws = Callable[[str], torch.Generator]
"""Gives a random stream on the system's device by what it is for."""


@dataclass
class Learner:
    """A part that learns: its module, its parameters, their optimiser and its rate at first."""

    part: Trainable
    parameters: dict[str, nn.Parameter]
    optimizer: torch.optim.AdamW
    rate: float


@dataclass
class System:
    """All that takes part in a step.

    Attributes:
        generator: What is trained.
        discriminator: What it is trained against.
        spatial: The losses between images, each with its weight (eq. 8).
        objective: The other weights.
        learners: "generator", and "discriminator" where there is something to learn.
        precision: What the networks compute in.
        seed: Of the run; with a step's number it decides every draw.
        device: Where everything lies.
        accumulate: How many pieces a batch is worked through in.
        average: Of the generator's weights, where one is kept.
    """

    generator: Generator
    discriminator: Discriminator
    spatial: dict[str, tuple[float, PerceptualLoss]]
    objective: Objective
    learners: dict[str, Learner]
    precision: torch.dtype
    seed: int
    device: torch.device
    accumulate: int = 1
    average: Average | None = None

    @property
    def adversarial(self) -> bool:
        """Whether there is a discriminator to learn from."""
        return self.discriminator.judges != "nothing"

    @property
    def judges_latents(self) -> bool:
        """Whether the discriminator takes latents rather than images."""
        return self.discriminator.judges == "latents"

    @property
    def discriminator_parameters(self) -> dict[str, nn.Parameter]:
        """What the discriminator learns; nothing if it has nothing to learn."""
        learner = self.learners.get("discriminator")
        return learner.parameters if learner else {}


def train_step(system: System, batch: Batch, step: int) -> dict[str, float]:
    """Trains generator and discriminator on one batch.

    Args:
        system: What is trained, in place.
        batch: On any device.
        step: Counted from 0.

    Returns:
        Every loss, unweighted, by name.

    Raises:
        DivergedError: A loss or a gradient is not finite; no weight was changed by it.
    """
    means: dict[str, float] = {}
    pixels_only = step < system.objective.pixels_until
    if step == system.objective.pixels_until:
        # What AdamW knows is of gradients many times smaller: its next steps would be giant ones.
        system.learners["generator"].optimizer.state.clear()
    pieces = [piece.to(system.device) for piece in batch.split(system.accumulate)]
    fakes: list[Tensor] = []

    # The discriminator is frozen until the last gradient is there: what is checkpointed is
    # computed again then.
    with frozen(system.discriminator_parameters), _step(system.learners["generator"], means, step):
        for number, piece in enumerate(pieces):
            draws = _draws(system, step, number)
            total, losses, fake = generator_terms(system, piece, draws, pixels_only=pixels_only)
            _backward(total / len(pieces), losses, means, step, len(pieces))
            fakes.append(fake.detach())

    if system.average:
        system.average.update(step)
    if system.discriminator_parameters and not pixels_only:
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
    system: System, batch: Batch, draws: Draws, *, pixels_only: bool = False
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Eq. 8: the weighted sum, every loss by name, and what the discriminator is to judge.

    With `pixels_only`, its first term alone.
    """
    spatial = {"mse": system.spatial["mse"]} if pixels_only else system.spatial
    with _autocast(system):
        prediction = predict(system.generator, batch.lr)
        losses = {
            name: distances(loss, prediction.image, batch.hr).mean()
            for name, (_, loss) in spatial.items()
        }
        terms = [weight * losses[name] for name, (weight, _) in spatial.items()]
        if system.objective.latent and not pixels_only:
            wanted = encode(system.generator, batch.hr, prediction.latent.shape)
            losses["latent"] = F.mse_loss(prediction.latent, wanted)
            terms.append(system.objective.latent * losses["latent"])
        judges_images = system.discriminator.judges == "images"
        fake = prediction.image if judges_images else prediction.latent
        if system.adversarial and not pixels_only:
            verdict = logits(system.discriminator, fake, draws("generator"))
            losses["adversarial"] = adversarial_loss(verdict)
            terms.append(system.objective.adversarial * losses["adversarial"])
    return torch.stack(terms).sum(), losses, fake


def discriminator_terms(
    system: System, fake: Tensor, hr: Tensor, draws: Draws
) -> tuple[Tensor, dict[str, Tensor], tuple[Tensor, Tensor]]:
    """Eq. 3: the weighted loss, by name too, and the verdicts on real and fake.

    `fake` has no path back to the generator.
    """
    with _autocast(system):
        real = encode(system.generator, hr, fake.shape) if system.judges_latents else hr
        fake_logits = logits(system.discriminator, fake, draws("fake"))
        purpose = "fake" if system.discriminator.shared_draws else "real"
        real_logits = logits(system.discriminator, real, draws(purpose))
        loss = discriminator_loss(fake_logits, real_logits)
    verdicts = real_logits.detach(), fake_logits.detach()
    return system.objective.discriminator * loss, {"discriminator": loss}, verdicts


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
    """Lets gradients pass through parameters without collecting in them."""
    for parameter in parameters.values():
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters.values():
            parameter.requires_grad_(True)


def _draws(system: System, step: int, piece: int) -> Draws:
    """The random streams of one piece of a step's batch."""
    counters = (step, piece) if piece else (step,)

    def draw(purpose: str) -> torch.Generator:
        return torch_stream(system.seed, f"noise of {purpose}", *counters, device=system.device)

    return draw


def _backward(
    loss: Tensor, losses: Mapping[str, Tensor], means: dict[str, float], step: int, pieces: int
) -> None:
    """Adds a piece's gradients and losses to those of the step, if they are finite."""
    for name, value in losses.items():
        if not value.isfinite():
            raise DivergedError(f"The loss {name!r} became {value.item()} at step {step + 1}.")
    loss.backward()  # type: ignore[no-untyped-call]
    for name, value in losses.items():
        means[name] = means.get(name, 0.0) + value.item() / pieces


@contextmanager
def _step(learner: Learner, means: Mapping[str, float], step: int) -> Iterator[None]:
    """One optimiser step on the gradients that its block collects, unless one is not finite."""
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
