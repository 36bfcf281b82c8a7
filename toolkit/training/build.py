"""From a recipe to the parts of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from toolkit.contracts import move, state, trainable
from toolkit.errors import UsageError
from toolkit.interfaces import Trainable
from toolkit.recipe import Recipe
from toolkit.registry import Registry
from toolkit.specs import Selection
from toolkit.streams import torch_stream
from toolkit.training.averaging import Average
from toolkit.training.data import Pairs
from toolkit.training.step import Learner, System


def build_system(recipe: Recipe, registry: Registry) -> System:
    """Builds what a training step needs; the seed decides every initial weight."""
    device = choose_device(recipe.train.device)
    seed = recipe.train.seed
    generator = _seeded(seed, "generator", lambda: registry.make("generator", recipe.gen))
    judge = _seeded(seed, "discriminator", lambda: registry.make("discriminator", recipe.disc))
    for part in (generator, judge):
        move(part, device)
    learners = {"generator": _learner(generator, recipe.train.lr, recipe)}
    if trainable(judge):
        learners["discriminator"] = _learner(judge, recipe.train.disc_lr, recipe)
    spatial = _spatial(recipe, registry, device)
    if not (spatial or recipe.objective.latent or judge.judges != "nothing"):
        raise UsageError(
            "There is nothing to train by: every loss has the weight 0.",
            "For example: --set objective.pixel=1",
        )
    return System(
        generator=generator,
        discriminator=judge,
        spatial=spatial,
        objective=recipe.objective,
        learners=learners,
        precision=choose_precision(recipe.train.precision, device),
        seed=seed,
        device=device,
        accumulate=recipe.train.accumulate,
        average=Average(generator, recipe.train.ema) if recipe.train.ema else None,
    )


def build_pairs(recipe: Recipe, registry: Registry) -> Pairs:
    """Builds the data of a run, and makes sure that some of it can be used."""
    pairs = Pairs(
        registry.make("dataset", recipe.data),
        registry.make("degradation", recipe.degradation),
        recipe.train.crop,
        recipe.train.seed,
        choose_device(recipe.train.device) if recipe.train.degrade_on == "device" else "cpu",
    )
    pairs.check()
    return pairs


def choose_device(name: str) -> torch.device:
    """The device of this name; `auto` is a GPU where there is one.

    Raises:
        UsageError: There is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"There is no device {name!r} here ({reason}).", "Use cpu, or auto."
        ) from None
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The precision of this name; `auto` is bfloat16 where the hardware computes in it."""
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Elsewhere bfloat16 is emulated, and slower than float32. Older torch cannot tell.
        capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        fast = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return torch.bfloat16 if fast else torch.float32


def _spatial(
    recipe: Recipe, registry: Registry, device: torch.device
) -> dict[str, tuple[float, Any]]:
    """L = MSE + λ2 · loss (eq. 8); `--loss mse` is the first term alone. 0 leaves a term out.

    Further losses of weight 0 are computed to be looked at.
    """
    terms = {"mse": (recipe.objective.pixel, Selection(use="mse"))}
    terms.setdefault(recipe.loss.name, (recipe.objective.perceptual, recipe.loss))
    terms = {name: each for name, each in terms.items() if each[0]}
    for name, weight in recipe.objective.further.items():
        terms.setdefault(name, (weight, Selection(use=name)))
    made = {
        name: (weight, registry.make("loss", selection))
        for name, (weight, selection) in terms.items()
    }
    for _, loss in made.values():
        move(loss, device)
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
    """Builds with torch's global generator at a state of its own, then puts it back."""
    with torch.random.fork_rng():
        torch.manual_seed(torch_stream(seed, f"weights of {purpose}").initial_seed())
        return build()
