"""Memory and work of a training step, determined without computing it.

The step runs on the meta device: every operation takes place, with its shapes, types and
lifetimes, and nothing is computed. No weights are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from toolkit.abilities import HasFrozenWeights, networks_of
from toolkit.contracts import distances
from toolkit.costs.counting import Meter
from toolkit.recipe import Recipe
from toolkit.registry import Registry
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.step import System, discriminator_terms, frozen, generator_terms


@dataclass(frozen=True)
class StepCost:
    """Memory of a step in bytes, and its multiply-accumulates.

    Attributes:
        frozen: Weights that stay as they are, by part; what is shared counts where it comes first.
        losses: Weights of the losses' networks, which are always whole.
        trained: Weights that are trained, by part.
        activations: All else at the peak, by phase, for one image.
        macs: Multiply-accumulates of one image, forward and backward, by phase.
    """

    frozen: Mapping[str, int]
    losses: Mapping[str, int]
    trained: Mapping[str, int]
    activations: Mapping[str, int]
    macs: Mapping[str, int]

    @property
    def gradients(self) -> int:
        """Bytes of the gradients: as many as of what is trained."""
        return sum(self.trained.values())

    @property
    def optimizer(self) -> int:
        """Bytes of AdamW's two means of each trained weight."""
        return 2 * sum(self.trained.values())

    def peak(self, images: int) -> int:
        """Bytes at the peak, with so many images in a piece."""
        parts = (self.frozen, self.losses, self.trained)
        held = sum(size for part in parts for size in part.values())
        varying = images * max(self.activations.values())
        return held + self.gradients + self.optimizer + varying


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
        phases: dict[str, tuple[int, int]] = {}
        with frozen(system.discriminator_parameters):
            fake, phases["generator"] = _generator_phase(system, batch)
        if system.adversarial:
            phases["discriminator"] = _discriminator_phase(system, batch, fake)
    return StepCost(
        held,
        losses,
        trained,
        {name: peak for name, (peak, _) in phases.items()},
        {name: macs for name, (_, macs) in phases.items()},
    )


def _on_meta(recipe: Recipe) -> Recipe:
    update = {"device": "meta", "precision": "float32"}
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=update)})


def _generator_phase(system: System, batch: Batch) -> tuple[Tensor, tuple[int, int]]:
    with Meter() as meter:
        total, _, fake = generator_terms(system, batch, _no_draws)
        total.backward()  # type: ignore[no-untyped-call]
    return fake.detach(), (meter.peak, meter.macs)


def _discriminator_phase(system: System, batch: Batch, fake: Tensor) -> tuple[int, int]:
    with Meter() as meter:
        total, _, _ = discriminator_terms(system, fake, batch.hr, _no_draws)
        total.backward()  # type: ignore[no-untyped-call]
    return meter.peak, meter.macs


def _no_draws(_purpose: str) -> Any:
    """The meta device has no random streams, and needs none."""


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
        if isinstance(loss, HasFrozenWeights):
            found[name] = loss.frozen_bytes(images)
    return found


def _weights(system: System) -> tuple[dict[str, int], dict[str, int]]:
    """Bytes of frozen and of trained weights, by part."""
    held: dict[str, int] = {}
    trained: dict[str, int] = {}
    seen: set[int] = set()
    for name, part in (("generator", system.generator), ("discriminator", system.discriminator)):
        trained[name] = _bytes(part.trainable().values(), seen)
        for network, module in networks_of(part).items():
            held[f"{name}'s {network}"] = _bytes(module.state_dict().values(), seen)
    if system.average:
        held["generator's average"] = _bytes(system.average.weights.values(), seen)
    return {name: size for name, size in held.items() if size}, trained


def _bytes(tensors: Iterable[Tensor], seen: set[int]) -> int:
    """Total size of storages that were not seen before."""
    total = 0
    for tensor in tensors:
        storage: Any = tensor.untyped_storage()
        if id(storage) not in seen:
            seen.add(id(storage))
            total += storage.nbytes()
    return total
