"""Costs of one component: counted on the meta device, and timed if asked."""

from __future__ import annotations

import functools
import statistics
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from toolkit.abilities import HasForms, HasNetworks, Stepwise, networks_of
from toolkit.component import Context, Kind
from toolkit.contracts import as_restorer, logits, move, restored
from toolkit.costs.complexity import CONVENTIONS, Complexity, complexity, count_parameters
from toolkit.costs.timing import alternate, peak_bytes
from toolkit.interfaces import Restorer
from toolkit.members import with_steps
from toolkit.registry import Registry
from toolkit.specs import Selection

_NO_DRAWS: Any = None
"""The meta device has no random streams, and needs none."""
SIDE = 512
"""Side of the output in pixels, as in Table 3."""
_ROUNDS = 3


def component_costs(
    kind: Kind, selection: Selection, registry: Registry, *, timed: bool = False
) -> dict[str, float] | None:
    """Measures costs by metric; None where the component does not name its networks.

    Args:
        kind: A generator, a discriminator or a restorer.
        selection: Which.
        registry: Supplies it.
        timed: Whether a generator is timed on this machine, too.

    Raises:
        ToolkitError: It cannot be built.
    """
    with torch.device("meta"):
        system = _hollow(kind, selection, registry)
    if not isinstance(system, HasNetworks):
        return None
    if kind == "generator":
        measured = _count_generator(selection, registry)
        return measured | (_time_generator(selection, registry) if timed else {})
    if kind == "discriminator":
        return _count_discriminator(system, selection, registry)
    return _count_restorer(system)


def _hollow(kind: Kind, selection: Selection, registry: Registry) -> Any:
    """Makes a component without its weights, which no count depends on."""
    return registry.make(kind, selection, Context(registry, read_weights=False))


def _count_generator(selection: Selection, registry: Registry) -> dict[str, float]:
    """Counts each form in both conventions; headline figures are of the first, in the paper's."""
    measured: dict[str, float] = {}
    with torch.device("meta"):
        generator = _hollow("generator", selection, registry)
        forms = generator.forms if isinstance(generator, HasForms) else ("",)
        for form in forms:
            made = _hollow("generator", selection, registry)
            restorer: Any = as_restorer(made, form) if form else as_restorer(made)
            lr = torch.zeros(1, 3, SIDE // made.scale, SIDE // made.scale)
            found = complexity(restorer, functools.partial(restored, restorer, lr))
            for convention in CONVENTIONS:
                ending = f"_{convention}_{form}" if form else f"_{convention}"
                measured |= _figures(found[convention], ending)
            if form == forms[0]:
                parts = networks_of(restorer)
                sizes = {f"{name}_params_m": _millions(part) for name, part in parts.items()}
                measured = {**_figures(found["paper"]), **measured, **sizes}
    return measured


def _millions(network: nn.Module) -> float:
    return sum(each.numel() for each in network.parameters()) / 1e6


def _count_discriminator(
    discriminator: Any, selection: Selection, registry: Registry
) -> dict[str, float]:
    """Counts the frozen trunk, all parameters, and the operations for one image's logits."""
    options: Any = registry.options("discriminator", selection)
    with torch.device("meta"):
        shape: tuple[int, ...] = (1, 3, SIDE, SIDE)
        if discriminator.judges == "latents":
            chosen = options.backbone or Context(registry).backbone
            backbone = _hollow("backbone", chosen, registry)
            side = SIDE // backbone.factor
            shape = (1, backbone.latent_channels, side, side)
        found = complexity(
            discriminator, lambda: logits(discriminator, torch.zeros(shape), _NO_DRAWS)
        )
    trunk = count_parameters(discriminator, only=lambda parameter: not parameter.requires_grad)
    return {"trunk_params_m": trunk / 1e6, **_figures(found["everything"])}


def _count_restorer(restorer: Any) -> dict[str, float]:
    if not isinstance(restorer, Stepwise) or restorer.steps <= 2:
        return _figures(_paper_complexity(restorer))
    # Every step takes the same, so that two of them tell the rest, exactly.
    one, two = (_paper_complexity(with_steps(restorer, steps)) for steps in (1, 2))
    macs = one.macs + (restorer.steps - 1) * (two.macs - one.macs)
    return _figures(replace(one, macs=macs))


def _paper_complexity(restorer: Any) -> Complexity:
    with torch.device("meta"):
        lr = torch.zeros(1, 3, SIDE // restorer.scale, SIDE // restorer.scale)
        return complexity(restorer, lambda: restored(restorer, lr))["paper"]


def _figures(found: Complexity, ending: str = "") -> dict[str, float]:
    return {f"params_m{ending}": found.parameters / 1e6, f"gmacs{ending}": found.macs / 1e9}


def _time_generator(selection: Selection, registry: Registry) -> dict[str, float]:
    """Measures time and memory of one image, beside the same networks with unmerged LoRA.

    Weights are random: neither depends on them.
    """
    options: Any = registry.options("generator", selection)
    gpu = torch.cuda.is_available()
    precision = "bfloat16" if gpu else "float32"
    chosen = options.backbone or Context(registry).backbone
    known = registry.find("backbone", chosen.name).options.model_fields
    wanted = {"weights": "random", "precision": precision}
    backbone = {"use": chosen.name}
    backbone |= {name: value for name, value in wanted.items() if name in known}
    timed = Selection(use=selection.name, options={**selection.options, "backbone": backbone})
    device = torch.device("cuda" if gpu else "cpu")
    theirs: Any = as_restorer(registry.make("generator", timed), "unmerged")
    ours: Any = as_restorer(registry.make("generator", timed))
    for each in (theirs, ours):
        move(each, device)
    lr = torch.rand(1, 3, SIDE // ours.scale, SIDE // ours.scale).to(device)
    their_work, our_work = (functools.partial(_restore, each, lr) for each in (theirs, ours))
    found = alternate(their_work, our_work, _ROUNDS)
    measured = {
        "seconds": statistics.median(found.seconds.ours),
        "seconds_diffusers": statistics.median(found.seconds.theirs),
        "times_as_fast": found.ratio.median,
    }
    for name, system, work in (("", ours, our_work), ("_diffusers", theirs, their_work)):
        if (peak := peak_bytes(work)) is not None:
            tensors = (t for net in system.networks.values() for t in net.state_dict().values())
            held = sum(tensor.nbytes for tensor in tensors)
            measured[f"peak_memory_gb{name}"] = (held + peak) / 1e9
    return measured


def _restore(restorer: Restorer, lr: Tensor) -> Tensor:
    """Restores, and waits for the GPU."""
    return restored(restorer, lr).cpu()
