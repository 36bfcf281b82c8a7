"""Builds the parts of a run from its recipe."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from toolkit import defaults
from toolkit.component import Context
from toolkit.contracts import move
from toolkit.devices import choose_device, choose_precision
from toolkit.discovery import installed
from toolkit.errors import UsageError
from toolkit.interfaces import Trainable
from toolkit.members import networks, state, trainable
from toolkit.recipe import Recipe
from toolkit.registry import Registry
from toolkit.streams import torch_stream
from toolkit.training.averaging import Average
from toolkit.training.data import Pairs
from toolkit.training.ranks import Ranks
from toolkit.training.speed import check_compiler, make_optimizer, prepare, shard
from toolkit.training.system import Learner, System, Term


def build_system(
    recipe: Recipe, registry: Registry, *, ranks: Ranks | None = None, read_weights: bool = True
) -> System:
    """Builds everything a training step needs; the seed determines all initial weights.

    Args:
        recipe: Resolved.
        registry: Supplies the components.
        ranks: The processes that share each batch; by default this one alone.
        read_weights: False to make networks without values, on the meta device.
    """
    ranks = ranks or Ranks(choose_device(recipe.train.device))
    seed = recipe.train.seed
    if recipe.train.compile:
        check_compiler(ranks.device)
    context = recipe.context(registry, read_weights=read_weights)
    generator = _seeded(seed, "generator", lambda: context.make("generator", recipe.gen))
    judge = _seeded(seed, "discriminator", lambda: context.make("discriminator", recipe.disc))
    for part in (generator, judge):
        move(part, ranks.device)
        prepare(networks(part), recipe.train)
    learners = {"generator": _learner(generator, recipe.train.lr, recipe, ranks)}
    if trainable(judge):
        learners["discriminator"] = _learner(judge, recipe.train.disc_lr, recipe, ranks)
    if recipe.train.shard:
        every = [*networks(generator).values(), *networks(judge).values()]
        kept = [each for learner in learners.values() for each in learner.parameters.values()]
        shard(every, kept, ranks)
    losses = _losses(recipe, context, ranks.device)
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
        precision=choose_precision(recipe.train.precision, ranks.device),
        seed=seed,
        ranks=ranks,
        accumulate=recipe.train.accumulate,
        clip=recipe.train.clip,
        average=Average(generator, recipe.train.ema) if recipe.train.ema else None,
        latents=recipe.train.cache_latents,
    )


def build_pairs(recipe: Recipe, registry: Registry, device: torch.device | None = None) -> Pairs:
    """Builds the data of a run and checks that some of it can be used.

    Args:
        recipe: Resolved.
        registry: Supplies the components.
        device: Where LR images are made if the recipe has `degrade_on = "device"`.
    """
    device = device or choose_device(recipe.train.device)
    pairs = _pairs(recipe, registry, device if recipe.train.degrade_on == "device" else "cpu")
    pairs.check()
    return pairs


def _pairs(recipe: Recipe, registry: Registry, device: torch.device | str) -> Pairs:
    context = recipe.context(registry)
    return Pairs(
        context.make("dataset", recipe.data),
        context.make("degradation", recipe.degradation),
        recipe.train.crop,
        recipe.train.seed,
        device,
        max_bad_files=recipe.train.max_bad_files,
        remake=partial(_remade_pairs, recipe, str(device)),
    )


def _remade_pairs(recipe: Recipe, device: str) -> Pairs:
    """Builds the data again in another process, which finds the installed plugins by itself."""
    return _pairs(recipe, installed(), device)


def _losses(recipe: Recipe, context: Context, device: torch.device) -> dict[str, Term]:
    """Builds the losses between images, with their weights, on a device."""
    made = {
        name: Term(term.weight, context.make("loss", term.selection), term.crop)
        for name, term in recipe.loss.items()
    }
    for term in made.values():
        move(term.loss, device)
    return made


def _learner(part: Trainable, rate: float, recipe: Recipe, ranks: Ranks) -> Learner:
    parameters = trainable(part)
    tensors = state(part)  # a checkpoint would fail much later
    if not parameters:
        raise UsageError("There is nothing to train: the generator has no trainable parameter.")
    ranks.copy(tensors.values())
    return Learner(part, parameters, make_optimizer(parameters, rate, recipe.train), rate)


def _seeded(seed: int, purpose: str, build: Callable[[], Any]) -> Any:
    """Calls `build` with torch's global generator seeded, then restores the generator's state."""
    with torch.random.fork_rng():
        torch.manual_seed(torch_stream(seed, f"weights of {purpose}").initial_seed())
        return build()
