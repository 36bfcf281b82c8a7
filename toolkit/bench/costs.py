"""Rows of complexity: what each system costs, counted on the meta device, and timed if asked."""

from __future__ import annotations

import functools
import logging
import statistics
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from toolkit.bench.complexity import CONVENTIONS, Complexity, complexity, count_parameters
from toolkit.bench.needs import Lacks, absent
from toolkit.bench.tables import Row, Scale
from toolkit.bench.timing import alternate, peak_bytes
from toolkit.component import Kind
from toolkit.contracts import as_restorer, logits, move
from toolkit.errors import ComponentError, UnknownComponentError
from toolkit.interfaces import Restorer
from toolkit.recipe import SLOTS
from toolkit.registry import Registry
from toolkit.specs import Selection

_LOG = logging.getLogger(__name__)
_NO_DRAWS: Any = None
"""The meta device has no random streams, and needs none."""
SIDE = 512
"""Side of the output in pixels, as in Table 3."""
_ROUNDS = 3
_KINDS: Mapping[str, Kind] = {**SLOTS, "restorer": "restorer"}


def measure_costs(
    row: Row, registry: Registry, scale: Scale = "paper", *, timed: bool = False
) -> tuple[dict[str, float], Lacks]:
    """What is measured of a row, by metric, and what it lacks if nothing can be.

    Args:
        row: Its recipe's first component is what is counted.
        registry: Supplies the component.
        scale: At "pocket" every backbone is `pocket`.
        timed: Whether generators are timed on this machine, too.
    """
    slot, spec = next(iter(row.recipe.items()))
    kind, selection = _KINDS[slot], at_scale(Selection.model_validate(spec), scale)
    try:
        registry.find(kind, selection.name)
    except UnknownComponentError:
        return {}, absent(kind, selection, registry)
    try:
        return _measured(kind, selection, registry, timed=timed)
    except ComponentError as error:
        _LOG.debug("%s", error, exc_info=error)
        return {}, Lacks(faults=[error.told])


def _measured(
    kind: Kind, selection: Selection, registry: Registry, *, timed: bool
) -> tuple[dict[str, float], Lacks]:
    with torch.device("meta"):
        system = registry.make(kind, selection)
    if not hasattr(system, "networks"):
        return {}, Lacks([f"The {kind} {selection.use!r} does not name its networks."])
    if kind == "generator":
        measured = _count_generator(selection, registry)
        return measured | (_time_generator(selection, registry) if timed else {}), Lacks()
    if kind == "discriminator":
        return _count_discriminator(system, selection, registry), Lacks()
    return _count_restorer(system), Lacks()


def at_scale(selection: Selection, scale: Scale) -> Selection:
    """The same component on the backbone of a scale."""
    if scale == "paper" or not selection.variant:
        return selection
    return Selection(use=f"{selection.name}:pocket", options=selection.options)


def _count_generator(selection: Selection, registry: Registry) -> dict[str, float]:
    """Every form in both conventions; the headline is the paper's: unmerged, its own way."""
    measured: dict[str, float] = {}
    with torch.device("meta"):
        forms = getattr(registry.make("generator", selection), "forms", ("",))
        for form in forms:
            made = registry.make("generator", selection)
            restorer: Any = as_restorer(made, form) if form else as_restorer(made)
            lr = torch.zeros(1, 3, SIDE // made.scale, SIDE // made.scale)
            found = complexity(restorer, functools.partial(restorer, lr))
            for convention in CONVENTIONS:
                ending = f"_{convention}_{form}" if form else f"_{convention}"
                measured |= _figures(found[convention], ending)
            measured = _figures(found["paper"]) | measured if form == forms[0] else measured
    return measured


def _count_discriminator(judge: Any, selection: Selection, registry: Registry) -> dict[str, float]:
    """Its frozen trunk, and all of it with what one verdict takes."""
    options: Any = registry.options("discriminator", selection)
    with torch.device("meta"):
        shape: tuple[int, ...] = (1, 3, SIDE, SIDE)
        if judge.judges == "latents":
            backbone = registry.make("backbone", options.backbone)
            side = SIDE // backbone.factor
            shape = (1, backbone.latent_channels, side, side)
        found = complexity(judge, lambda: logits(judge, torch.zeros(shape), _NO_DRAWS))
    trunk = count_parameters(judge, only=lambda parameter: not parameter.requires_grad)
    return {"trunk_params_m": trunk / 1e6, **_figures(found["everything"])}


def _count_restorer(restorer: Any) -> dict[str, float]:
    with torch.device("meta"):
        lr = torch.zeros(1, 3, SIDE // restorer.scale, SIDE // restorer.scale)
        return _figures(complexity(restorer, lambda: restorer(lr))["paper"])


def _figures(found: Complexity, ending: str = "") -> dict[str, float]:
    return {f"params_m{ending}": found.parameters / 1e6, f"gmacs{ending}": found.macs / 1e9}


def _time_generator(selection: Selection, registry: Registry) -> dict[str, float]:
    """Seconds and memory of one image, beside the same networks run eagerly with unmerged LoRA.

    Weights are random: neither depends on them.
    """
    options: Any = registry.options("generator", selection)
    gpu = torch.cuda.is_available()
    precision = "bfloat16" if gpu else "float32"
    known = registry.find("backbone", options.backbone.name).options.model_fields
    wanted = {"weights": "random", "precision": precision}
    backbone = {"use": options.backbone.name}
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
        "seconds": statistics.median(found["seconds"]["ours"]),
        "seconds_diffusers": statistics.median(found["seconds"]["theirs"]),
        "times_as_fast": found["ratio"]["median"],
    }
    for name, system, work in (("", ours, our_work), ("_diffusers", theirs, their_work)):
        if (peak := peak_bytes(work)) is not None:
            tensors = (t for net in system.networks.values() for t in net.state_dict().values())
            held = sum(tensor.nbytes for tensor in tensors)
            measured[f"peak_memory_gb{name}"] = (held + peak) / 1e9
    return measured


def _restore(restorer: Restorer, lr: Tensor) -> Tensor:
    """To the end: what a GPU still has to do when the call returns is waited for."""
    return restorer(lr).cpu()
