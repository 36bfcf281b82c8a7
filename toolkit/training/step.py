"""One training step, whole: the generator's, and the discriminator's on the same fakes.

Both are applied together, and only if every loss and gradient is finite.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from toolkit.contracts import distances, logits, logits_of_both, observe, predict
from toolkit.expectations import finite_or_not
from toolkit.training.data import Batch
from toolkit.training.early import with_gradient
from toolkit.training.health import Health
from toolkit.training.system import Piece, System, Term, frozen
from toolkit.training.watch import Figures, Watch

Phase = Callable[[str], AbstractContextManager[Any]]
"""Measures the time of a named part of a step."""


class Terms(NamedTuple):
    """The losses of a piece.

    Attributes:
        total: Their weighted sum.
        losses: Unweighted, by name.
        output: What the pass hands on: the generator's to the discriminator, `[b, ...]`; the
            discriminator's logits of real and of fake samples, stacked, `[2, b, 1, ...]`.
    """

    total: Tensor
    losses: dict[str, Tensor]
    output: Tensor


@finite_or_not()
def train_step(
    system: System, batch: Batch, step: int, phase: Phase = lambda _name: nullcontext()
) -> Figures:
    """Trains generator and discriminator on one batch.

    Args:
        system: Trained in place.
        batch: This process's share of the step's batch, on any device.
        step: Counted from 0.
        phase: Measures the parts "generator", "discriminator" and "update".

    Raises:
        NotFiniteError: A loss or gradient is not finite; nothing was changed.
    """
    first_loss_only = step < system.objective.first_loss_steps
    trained = ["generator"]
    if system.discriminator_parameters and not first_loss_only:
        trained.append("discriminator")
    learners = {name: system.learners[name] for name in trained}
    for learner in learners.values():
        learner.optimizer.zero_grad(set_to_none=True)
    pieces = system.pieces(batch, step)
    parts = len(pieces) * system.ranks.size
    watch, fakes, verdicts = Watch(system, step, parts), [], []

    # The discriminator stays frozen until the last backward pass, in which checkpointed activations
    # are recomputed.
    with phase("generator"), frozen(system.discriminator_parameters):
        for piece in pieces:
            terms = generator_terms(
                system, piece, first_loss_only=first_loss_only, health=watch.health
            )
            (terms.total / parts).backward()  # type: ignore[no-untyped-call]
            watch.add(terms.losses)
            fakes.append(terms.output.detach())

    if "discriminator" in trained:
        with phase("discriminator"):
            for piece, fake in zip(pieces, fakes, strict=True):
                terms = discriminator_terms(system, piece, fake)
                (terms.total / parts).backward()  # type: ignore[no-untyped-call]
                watch.add(terms.losses)
                watch.health.judge(*terms.output)
                verdicts.append(terms.output)

    with phase("update"):
        figures = watch.check(learners)
        if step == system.objective.first_loss_steps:
            # AdamW's moments were estimated from much smaller gradients; keeping them would make
            # the next updates explode.
            learners["generator"].optimizer.state.clear()
        for learner in learners.values():
            learner.optimizer.step()
        if system.average:
            system.average.update(step)
        if verdicts:
            real, judged = (
                system.ranks.join(torch.cat(each)) for each in zip(*verdicts, strict=True)
            )
            observe(system.discriminator, real, judged)
    return figures


def generator_terms(
    system: System, piece: Piece, *, first_loss_only: bool = False, health: Health | None = None
) -> Terms:
    """Computes eq. 8; with `first_loss_only`, its first loss alone."""
    between_images = dict(itertools.islice(system.losses.items(), 1 if first_loss_only else None))
    with system.autocast():
        prediction = predict(system.generator, piece.lr)
        judges_images = system.discriminator.judges == "images"
        # The image is decoded only if it is asked for.
        fake = prediction.image if judges_images else prediction.latent
        judged = health.watch(fake) if health and system.adversarial else fake
        losses = {
            name: with_gradient(partial(_distance, term, piece), prediction.image)
            for name, term in between_images.items()
        }
        terms = [term.weight * losses[name] for name, term in between_images.items()]
        if system.objective.latent and not first_loss_only:
            wanted = piece.latent(prediction.latent.shape)
            losses["latent"] = F.mse_loss(prediction.latent, wanted)
            terms.append(system.objective.latent * losses["latent"])
        if system.adversarial and not first_loss_only:
            losses["adversarial"] = with_gradient(partial(_adversarial, system, piece), judged)
            terms.append(system.objective.adversarial * losses["adversarial"])
    return Terms(torch.stack(terms).sum(), losses, fake)


def discriminator_terms(system: System, piece: Piece, fake: Tensor) -> Terms:
    """Computes eq. 3; `fake` is detached from the generator."""
    with system.autocast():
        real = piece.latent(fake.shape) if system.judges_latents else piece.hr
        purpose = "fake" if system.discriminator.shared_draws else "real"
        draws = piece.draws
        with draws.for_images("fake") as fake_rng, draws.for_images(purpose) as real_rng:
            fake_logits, real_logits = logits_of_both(
                system.discriminator, fake, real, fake_rng, real_rng
            )
        loss = discriminator_loss(fake_logits, real_logits)
    verdicts = torch.stack([real_logits.detach(), fake_logits.detach()])
    return Terms(system.objective.discriminator * loss, {"discriminator": loss}, verdicts)


def _adversarial(system: System, piece: Piece, fake: Tensor) -> Tensor:
    with piece.draws.for_images("generator") as rng:
        return adversarial_loss(logits(system.discriminator, fake, rng))


def _distance(term: Term, piece: Piece, image: Tensor) -> Tensor:
    """Returns a loss between images, averaged over the piece."""
    hr = piece.hr
    side = min(term.crop, *hr.shape[-2:])
    if side:
        top = _offset(piece.draws.shared("top of losses"), hr.shape[-2] - side)
        left = _offset(piece.draws.shared("left of losses"), hr.shape[-1] - side)
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
