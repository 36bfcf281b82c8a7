"""Builds the parts of a run from its recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from toolkit import defaults
from toolkit.component import Context
from toolkit.contracts import move, state, trainable
from toolkit.devices import choose_device, choose_precision
from toolkit.errors import UsageError
from toolkit.interfaces import Trainable
from toolkit.recipe import Recipe
from toolkit.registry import Registry
from toolkit.streams import torch_stream
from toolkit.training.averaging import Average
from toolkit.training.data import Pairs
from toolkit.training.step import Learner, System, Term


def build_system(recipe: Recipe, registry: Registry, *, read_weights: bool = True) -> System:
    """Builds everything a training step needs; the seed determines all initial weights.

    Args:
        recipe: Resolved.
        registry: Supplies the components.
        read_weights: False to make networks without values, on the meta device.
    """
    device = choose_device(recipe.train.device)
    seed = recipe.train.seed
    context = recipe.context(registry, read_weights=read_weights)
    generator = _seeded(seed, "generator", lambda: context.make("generator", recipe.gen))
    judge = _seeded(seed, "discriminator", lambda: context.make("discriminator", recipe.disc))
    for part in (generator, judge):
        move(part, device)
    learners = {"generator": _learner(generator, recipe.train.lr, recipe)}
    if trainable(judge):
        learners["discriminator"] = _learner(judge, recipe.train.disc_lr, recipe)
    losses = _losses(recipe, context, device)
    trained_by = any(term.weight for term in losses.values())
    if not (trained_by or recipe.objective.latent or judge.judges != "nothing"):
        raise UsageError(
            "There is nothing to train by: every loss has the weight 0.",
            f"For example: --set loss.{defaults.PIXEL_LOSS}=1",
        )
    return System(
        generator=generator,
        discriminator=judge,
        losses=losses,
        objective=recipe.objective,
        learners=learners,
        precision=choose_precision(recipe.train.precision, device),
        seed=seed,
        device=device,
        accumulate=recipe.train.accumulate,
        average=Average(generator, recipe.train.ema) if recipe.train.ema else None,
    )


def build_pairs(recipe: Recipe, registry: Registry) -> Pairs:
    """Builds the data of a run and checks that some of it can be used."""
    context = recipe.context(registry)
    pairs = Pairs(
        context.make("dataset", recipe.data),
        context.make("degradation", recipe.degradation),
        recipe.train.crop,
        recipe.train.seed,
        choose_device(recipe.train.device) if recipe.train.degrade_on == "device" else "cpu",
    )
    pairs.check()
    return pairs


def _losses(recipe: Recipe, context: Context, device: torch.device) -> dict[str, Term]:
    """Builds the losses between images, with their weights, on a device."""
    made = {
        name: Term(term.weight, context.make("loss", term.selection), term.crop)
        for name, term in recipe.loss.items()
    }
    for term in made.values():
        move(term.loss, device)
    return made


def _learner(part: Trainable, rate: float, recipe: Recipe) -> Learner:
    parameters = trainable(part)
    state(part)  # a checkpoint would fail much later
    if not parameters:
        raise UsageError("There is nothing to train: the generator has no trainable parameter.")
    decay = recipe.train.weight_decay
    optimizer = torch.optim.AdamW(parameters.values(), lr=rate, weight_decay=decay)
    return Learner(part, parameters, optimizer, rate)


def _seeded(seed: int, purpose: str, build: Callable[[], Any]) -> Any:
    """Calls `build` with torch's global generator seeded, then restores the generator's state."""
    with torch.random.fork_rng():
        torch.manual_seed(torch_stream(seed, f"weights of {purpose}").initial_seed())
        return build()
