"""Planning of a training: memory and work of a step, and options that fit a memory."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from toolkit.costs.training_step import StepCost, step_cost
from toolkit.errors import UsageError
from toolkit.recipe import Recipe, share_of_batch
from toolkit.registry import Registry
from toolkit.specs import Selection

Precision = Literal["float32", "bfloat16"]

_ROOM = 0.9
"""Share of a memory that is used; the rest is for fragmentation and for libraries."""
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_UNITS = {"MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True)
class Choice:
    """Options of a training, with memory and work of a step.

    Attributes:
        precision: What networks compute in, and what frozen weights are held in.
        checkpointing: Whether inner activations are computed again.
        batch: Images a step, as the recipe has it.
        accumulate: Pieces that it is worked through in.
        peak: Bytes at once.
        gmacs: Of a step, in G.
        fits: Whether that is within the memory.
        settings: What to type for it.
    """

    precision: Precision
    checkpointing: bool
    batch: int
    accumulate: int
    peak: int
    gmacs: float
    fits: bool
    settings: list[str]


@dataclass(frozen=True)
class Plan:
    """Memory and work of a recipe's step, and options that fit a memory.

    Attributes:
        cost: Its parts, in each process.
        images: Images in a piece.
        pieces: Pieces in a step, of each process.
        ranks: Number of processes.
        choices: What would fit, the least work first; empty where no memory was named.
    """

    cost: StepCost
    images: int
    pieces: int
    ranks: int = 1
    choices: tuple[Choice, ...] = ()

    @property
    def gmacs(self) -> dict[str, float]:
        """Multiply-accumulates of a step in each process, in G, by phase."""
        return {
            name: macs * self.images * self.pieces / 1e9 for name, macs in self.cost.macs.items()
        }

    def document(self) -> dict[str, Any]:
        """The plan as plain values, to be written as JSON; memory in bytes."""
        cost = self.cost
        activations = {name: size * self.images for name, size in cost.activations.items()}
        return {
            "processes": self.ranks,
            "memory": {
                "frozen": dict(cost.frozen),
                "gathered": cost.gathered,
                "losses": dict(cost.losses),
                "trained": dict(cost.trained),
                "gradients": cost.gradients,
                "optimizer": cost.optimizer,
                "activations": activations,
                "peak": cost.peak(self.images),
            },
            "gmacs": self.gmacs,
            "choices": [asdict(each) for each in self.choices],
        }


def plan_training(
    recipe: Recipe, registry: Registry, memory: int | None = None, ranks: int = 1
) -> Plan:
    """Plans a training by the recipe, and by options that need less memory.

    Args:
        recipe: Resolved.
        registry: Supplies the components.
        memory: Of each process, in bytes; None to look at the recipe alone.
        ranks: Number of processes that share a batch.

    Raises:
        UsageError: The batch cannot be shared equally, or there is nothing to shard weights over.
    """
    train = recipe.train
    share = share_of_batch(train, ranks)
    if train.shard and ranks == 1:
        raise UsageError(
            "train.shard shards weights over several processes, and there is one.",
            "Plan for several: --plan --ranks 2",
        )
    own = _precision(recipe)
    cost = _cost(recipe, registry, own, None, ranks)
    images = share // train.accumulate
    asked = _held_in(cost, own, recipe.backbone.options.get("precision", own))
    if memory is None:
        return Plan(asked, images, train.accumulate, ranks)
    costs = {(own, _checkpointing(recipe)): cost}
    known = _options(recipe.backbone, registry)
    precisions = dict.fromkeys((own, "bfloat16") if "precision" in known else (own,))
    checkpointings = (False, True) if "checkpointing" in known else (False,)
    for precision, checkpointing in itertools.product(precisions, checkpointings):
        if (precision, checkpointing) not in costs:
            costs[precision, checkpointing] = _cost(
                recipe, registry, precision, checkpointing, ranks
            )
    found = [_choose(*key, each, share, memory, known) for key, each in costs.items()]
    choices = sorted(found, key=lambda each: (not each.fits, each.gmacs, each.accumulate))
    return Plan(asked, images, train.accumulate, ranks, tuple(choices))


def fit_batch(recipe: Recipe, registry: Registry, memory: int) -> Recipe:
    """Returns the recipe with its batch in as many pieces as a memory asks for.

    The result of a training changes by rounding alone. If not even one image fits, its pieces are
    single images.

    Args:
        recipe: Resolved.
        registry: Supplies the components.
        memory: In bytes.
    """
    train = recipe.train
    pieces, _ = _fewest_pieces(
        _cost(recipe, registry, _precision(recipe), None, 1), train.batch, memory
    )
    if pieces <= train.accumulate:
        return recipe
    return recipe.model_copy(update={"train": train.model_copy(update={"accumulate": pieces})})


def parse_memory(text: str) -> int:
    """Parses a size such as `24GB` into bytes.

    Example:
        >>> parse_memory("24GB"), parse_memory("512 MiB")
        (24000000000, 536870912)

    Raises:
        UsageError: It is no size.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]i?B)\s*", text, re.IGNORECASE)
    unit = found and found[2].upper()
    if not found or unit not in _UNITS or float(found[1]) == 0:
        raise UsageError(f"--memory {text} is no size.", "For example: --memory 24GB")
    return int(float(found[1]) * _UNITS[unit])


def _choose(
    precision: Precision,
    checkpointing: bool,
    cost: StepCost,
    batch: int,
    memory: int,
    known: Collection[str],
) -> Choice:
    pieces, fits = _fewest_pieces(cost, batch, memory)
    gmacs = sum(cost.macs.values()) * batch / 1e9
    peak = cost.peak(batch // pieces)
    options = {"precision": precision, "checkpointing": str(checkpointing).lower()}
    settings = [f"backbone.{name}={value}" for name, value in options.items() if name in known]
    settings = [f"train.precision={precision}", *settings, f"train.accumulate={pieces}"]
    return Choice(precision, checkpointing, batch, pieces, peak, gmacs, fits, settings)


def _fewest_pieces(cost: StepCost, batch: int, memory: int) -> tuple[int, bool]:
    """Returns the fewest pieces that fit, and True; or one image a piece, and False."""
    divisors = (pieces for pieces in range(1, batch + 1) if batch % pieces == 0)
    fitting = (pieces for pieces in divisors if cost.peak(batch // pieces) <= memory * _ROOM)
    pieces = next(fitting, None)
    return (batch, False) if pieces is None else (pieces, True)


def _precision(recipe: Recipe) -> Precision:
    """What the recipe computes in.

    What `auto` comes to depends on the machine; those that need a plan compute in bfloat16.
    """
    return "float32" if recipe.train.precision == "float32" else "bfloat16"


def _cost(
    recipe: Recipe,
    registry: Registry,
    precision: Precision,
    checkpointing: bool | None,
    ranks: int,
) -> StepCost:
    """Costs with another precision and checkpointing of the backbones that have these options.

    None leaves the latter as it is.
    """
    options: dict[str, Any] = {"precision": precision}
    if checkpointing is not None:
        options["checkpointing"] = checkpointing
    cost = step_cost(_with_backbones(recipe, options, registry), registry)
    return cost.sharded(ranks) if recipe.train.shard else cost


def _held_in(cost: StepCost, counted: str, asked: str) -> StepCost:
    """Costs with frozen weights held in another precision than networks compute in."""
    factor = _BYTES[asked] / _BYTES[counted]
    return replace(cost, frozen={name: int(n * factor) for name, n in cost.frozen.items()})


def _with_backbones(recipe: Recipe, options: Mapping[str, Any], registry: Registry) -> Recipe:
    """The recipe with options laid over those of every backbone in it that has them."""

    def over(backbone: Selection) -> Selection:
        known = _options(backbone, registry)
        return backbone.over({name: each for name, each in options.items() if name in known})

    return recipe.with_backbones(over)


def _options(backbone: Selection, registry: Registry) -> Collection[str]:
    """The names of a backbone's options; `precision` and `checkpointing` need not be among them."""
    component = registry.find("backbone", registry.expand("backbone", backbone).name)
    return component.options.model_fields


def _checkpointing(recipe: Recipe) -> bool:
    return bool(recipe.backbone.options.get("checkpointing", False))
