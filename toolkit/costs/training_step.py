"""Memory and work of a training step, determined without computing it.

The step runs on the meta device: every operation takes place, with its shapes, types and
lifetimes, and nothing is computed. No weights are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from toolkit.contracts import distances
from toolkit.costs.counting import Meter
from toolkit.members import frozen_bytes, networks, trainable
from toolkit.recipe import Recipe
from toolkit.registry import Registry
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.draws import Draws
from toolkit.training.speed import blocks
from toolkit.training.step import discriminator_terms, generator_terms
from toolkit.training.system import Piece, System, frozen

_AVERAGE = "generator's average"
"""Frozen weights that are never sharded, as those that are trained."""


@dataclass(frozen=True)
class StepCost:
    """Memory of a step in bytes, and its multiply-accumulates.

    Attributes:
        frozen: Weights that stay as they are, by part; what is shared counts where it comes first.
        losses: Weights of the losses' networks, which are always whole.
        trained: Weights that are trained, by part.
        activations: All else at the peak, by phase, for one image.
        macs: Multiply-accumulates of one image, forward and backward, by phase.
        moments: Bytes of the optimiser's means for each byte of a trained weight.
        block: The largest block that is gathered at once where frozen weights are sharded.
        gathered: `block` if they are; 0 otherwise.
    """

    frozen: Mapping[str, int]
    losses: Mapping[str, int]
    trained: Mapping[str, int]
    activations: Mapping[str, int]
    macs: Mapping[str, int]
    moments: float = 2.0
    block: int = 0
    gathered: int = 0

    def sharded(self, ranks: int) -> StepCost:
        """Returns the costs with frozen weights sharded over several processes.

        The small share of weights outside of large blocks, which stay whole, counts as sharded.
        """
        frozen = {
            name: size if name == _AVERAGE else size // ranks for name, size in self.frozen.items()
        }
        return replace(self, frozen=frozen, gathered=self.block)

    @property
    def gradients(self) -> int:
        """Bytes of the gradients: as many as of what is trained."""
        return sum(self.trained.values())

    @property
    def optimizer(self) -> int:
        """Bytes of AdamW's two means of each trained weight."""
        return int(self.moments * sum(self.trained.values()))

    def peak(self, images: int) -> int:
        """Bytes at the peak, with so many images in a piece."""
        parts = (self.frozen, self.losses, self.trained)
        held = sum(size for part in parts for size in part.values())
        varying = images * max(self.activations.values())
        return held + self.gathered + self.gradients + self.optimizer + varying


def step_cost(recipe: Recipe, registry: Registry) -> StepCost:
    """Runs a step of one image on the meta device.

    Networks compute in the precision that their frozen weights have: the meta device knows no
    autocast.

    Raises:
        ToolkitError: A component cannot be built.
    """
    with torch.device("meta"), _fused_attention():
        system = build_system(_on_meta(recipe), registry, read_weights=False)
        side = recipe.train.crop
        small = side // system.generator.scale
        batch = Batch(torch.rand(1, 3, small, small), torch.rand(1, 3, side, side))
        held, trained = _weights(system)
        losses = _loss_weights(system, batch.hr[..., :64, :64])
        _let_go_of_gradients(system)
        piece = Piece(system, batch, Draws(0, 0, (0,), system.device))
        phases: dict[str, tuple[int, int]] = {}
        with frozen(system.discriminator_parameters):
            fake, phases["generator"] = _generator_phase(system, piece)
        if system.adversarial:
            phases["discriminator"] = _discriminator_phase(system, piece, fake)
    return StepCost(
        held,
        losses,
        trained,
        {name: peak for name, (peak, _) in phases.items()},
        {name: macs for name, (_, macs) in phases.items()},
        0.5 if recipe.train.optimizer == "adamw-8bit" else 2.0,
        _largest_block(system),
    )


def _on_meta(recipe: Recipe) -> Recipe:
    update = {
        "device": "meta", "precision": "float32", "shard": False, "compile": False,
        "optimizer": "adamw", "fused": False,  # whose libraries and kernels are of no use here
    }  # fmt: skip
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=update)})


def _generator_phase(system: System, piece: Piece) -> tuple[Tensor, tuple[int, int]]:
    with Meter() as meter:
        terms = generator_terms(system, piece)
        terms.total.backward()  # type: ignore[no-untyped-call]
    return terms.output.detach(), (meter.peak, meter.macs)


def _discriminator_phase(system: System, piece: Piece, fake: Tensor) -> tuple[int, int]:
    with Meter() as meter:
        discriminator_terms(system, piece, fake).total.backward()  # type: ignore[no-untyped-call]
    return meter.peak, meter.macs


@contextmanager
def _fused_attention() -> Iterator[None]:
    """Attention as processors and GPUs do it; the meta device would hold every pair of places.

    Put in place for the while: a mode of PyTorch's is off within the backward pass, where what is
    checkpointed is computed again.
    """
    original = F.scaled_dot_product_attention
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # noqa: SLF001

    def attention(query: Tensor, key: Tensor, value: Tensor, *args: Any, **more: Any) -> Tensor:
        if args or any(each for name, each in more.items() if name != "scale"):
            return original(query, key, value, *args, **more)
        attended: Tensor = fused(query, key, value, scale=more.get("scale"))[0]
        return attended

    F.scaled_dot_product_attention = attention
    try:
        yield
    finally:
        F.scaled_dot_product_attention = original


def _let_go_of_gradients(system: System) -> None:
    """Frees gradients, which are counted separately: they do not grow with the batch."""

    def let_go(parameter: Tensor) -> None:
        parameter.grad = None

    for learner in system.learners.values():
        for parameter in learner.parameters.values():
            parameter.register_post_accumulate_grad_hook(let_go)  # type: ignore[no-untyped-call]


def _loss_weights(system: System, images: Tensor) -> dict[str, int]:
    """Bytes of the losses' frozen networks; uses each once, so that lazy ones are loaded."""
    found: dict[str, int] = {}
    for name, (_, loss, _) in system.losses.items():
        distances(loss, images, images)
        if (size := frozen_bytes(loss, images)) is not None:
            found[name] = size
    return found


def _weights(system: System) -> tuple[dict[str, int], dict[str, int]]:
    """Bytes of frozen and of trained weights, by part."""
    held: dict[str, int] = {}
    trained: dict[str, int] = {}
    seen: set[int] = set()
    for name, part in (("generator", system.generator), ("discriminator", system.discriminator)):
        trained[name] = _bytes(trainable(part).values(), seen)
        for network, module in networks(part).items():
            held[f"{name}'s {network}"] = _bytes(module.state_dict().values(), seen)
    if system.average:
        held[_AVERAGE] = _bytes(system.average.weights.values(), seen)
    return {name: size for name, size in held.items() if size}, trained


def _largest_block(system: System) -> int:
    """Bytes of the largest block of frozen weights that is gathered at once."""
    every = [
        network
        for part in (system.generator, system.discriminator)
        for network in networks(part).values()
    ]
    return max((_bytes(block.parameters(), set()) for block in blocks(every)), default=0)


def _bytes(tensors: Iterable[Tensor], seen: set[int]) -> int:
    """Total size of storages that were not seen before."""
    total = 0
    for tensor in tensors:
        storage: Any = tensor.untyped_storage()
        if id(storage) not in seen:
            seen.add(id(storage))
            total += storage.nbytes()
    return total
