"""One training step, whole: the generator's, then the discriminator's on the same fakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from toolkit.errors import DivergedError
from toolkit.interfaces import Discriminator, Generator, PerceptualLoss, Trainable
from toolkit.recipe import Objective
from toolkit.streams import torch_stream
from toolkit.training.data import Batch

_SLOWER = "The last checkpoint is good. To train again at a lower rate: --set train.lr=1e-5"


@dataclass
class Learner:
    """A part that learns: its module, its parameters and their optimiser."""

    part: Trainable
    parameters: dict[str, nn.Parameter]
    optimizer: torch.optim.AdamW


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
    """

    generator: Generator
    discriminator: Discriminator
    spatial: dict[str, tuple[float, PerceptualLoss]]
    objective: Objective
    learners: dict[str, Learner]
    precision: torch.dtype
    seed: int
    device: torch.device

    @property
    def adversarial(self) -> bool:
        """Whether there is a discriminator to learn from."""
        return self.discriminator.judges != "nothing"


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
    lr, hr = batch.lr.to(system.device), batch.hr.to(system.device)
    judges_latents = system.discriminator.judges == "latents"

    # Generator: eq. 8 between images, and the discriminator's verdict on its own prediction.
    with _autocast(system):
        prediction = system.generator.predict(lr)
        losses = {
            name: loss(prediction.image, hr).mean() for name, (_, loss) in system.spatial.items()
        }
        terms = [weight * losses[name] for name, (weight, _) in system.spatial.items()]
        total = torch.stack(terms).sum()
        fake = prediction.latent if judges_latents else prediction.image
        if system.adversarial:
            with frozen(system.learners["discriminator"].parameters):
                losses["adversarial"] = adversarial_loss(
                    system.discriminator.logits(fake, _draws(system, "generator", step))
                )
            total = total + system.objective.adversarial * losses["adversarial"]
    _descend(system.learners["generator"], total, losses, step)

    # Discriminator: the same fakes, now without a path back to the generator.
    if system.adversarial:
        with _autocast(system):
            real = system.generator.encode(hr) if judges_latents else hr
            real_draws = "fake" if system.discriminator.shared_draws else "real"
            fake_logits = system.discriminator.logits(fake.detach(), _draws(system, "fake", step))
            real_logits = system.discriminator.logits(real, _draws(system, real_draws, step))
            losses["discriminator"] = discriminator_loss(fake_logits, real_logits)
            judged = system.objective.discriminator * losses["discriminator"]
        _descend(system.learners["discriminator"], judged, losses, step)
        system.discriminator.observe(real_logits.detach(), fake_logits.detach())

    return {name: loss.item() for name, loss in losses.items()}


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


def _descend(learner: Learner, loss: Tensor, losses: Mapping[str, Tensor], step: int) -> None:
    """One optimiser step, unless a loss or a gradient has left the finite numbers."""
    for name, value in losses.items():
        if not value.isfinite():
            raise DivergedError(
                f"The loss {name!r} became {value.item()} at step {step + 1}.",
                _SLOWER,
            )
    learner.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in learner.parameters.values() if p.grad is not None]
    if not nn.utils.get_total_norm(gradients).isfinite():
        raise DivergedError(
            f"A gradient became infinite at step {step + 1}; the losses were "
            + ", ".join(f"{name} {value.item():.4g}" for name, value in losses.items())
            + ".",
            _SLOWER,
        )
    learner.optimizer.step()


def _draws(system: System, purpose: str, step: int) -> torch.Generator:
    return torch_stream(system.seed, f"noise of {purpose}", step, device=system.device)


def _autocast(system: System) -> torch.autocast:
    enabled = system.precision != torch.float32
    return torch.autocast(system.device.type, system.precision, enabled=enabled)
