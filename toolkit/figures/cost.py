"""Figure 1: crops of several restorers with their costs, and quality against cost."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from toolkit.component import Kind
from toolkit.contracts import move
from toolkit.costs.components import SIDE, component_costs
from toolkit.errors import ToolkitError
from toolkit.figures.comparison import system_records
from toolkit.figures.document import Figure
from toolkit.figures.drawing import COLOURS, FONT, MARKERS, new_canvas, show_image
from toolkit.figures.panels import Photograph, photographs_of, scores_of
from toolkit.figures.systems import Asked, System, systems_of
from toolkit.files import locked, write_atomically
from toolkit.specs import Selection

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from toolkit.registry import Registry
    from toolkit.tables.quality import Tell

TITLE: Final = "Quality and cost of restorers"
_ROUNDS = 3
_COUNTED: tuple[str, ...] = ("gmacs", "params_m")
_QUALITIES: Final = (("dists", "DISTS"), ("lpips", "LPIPS"))
_COSTS: Final = (("gmacs", "multiply-accumulates (G)"), ("seconds", "seconds"))


def cost_figure(asked: Asked, registry: Registry, tell: Tell) -> Figure:
    """Makes Figure 1, of the restorers of Tables 1 and 2 that can work here.

    Raises:
        UsageError: None of them can, or the photograph or the crop does not exist.
    """
    systems = systems_of(("2", "1"), asked, registry, tell)
    photographs = photographs_of(systems, asked)[:1]
    costs = {each.label: _costs(each, asked, registry) for each in systems.found}
    points = {each.label: {**each.mean, **costs[each.label]} for each in systems.found}
    [photograph] = photographs
    scores = scores_of(photograph, registry)
    data: dict[str, Any] = {
        "scale": asked.setting,
        "quick": asked.quick,
        "tables": ["1", "2"],
        "systems": system_records(systems),
        "points": points,
        "photographs": [
            {
                "name": photograph.name,
                "crop": str(photograph.crop),
                "sha256": dict(photograph.digests),
                "scores": scores,
            }
        ],
        "machine": _machine(),
        "protocol": f"Costs of one image of {SIDE}x{SIDE} px: multiply-accumulates in the paper's "
        f"convention; seconds are the median of {_ROUNDS} after a first that is not counted. DISTS "
        "and LPIPS are means over the photographs of the tables.",
    }
    return Figure("figure1", TITLE, data, _drawn(photograph, points), systems.needs)


def _costs(system: System, asked: Asked, registry: Registry) -> dict[str, float]:
    """Counts operations, and measures the time once: later runs read it from the work folder."""
    kind: Kind = "restorer" if "restorer" in system.recipe else "generator"
    chosen = Selection.model_validate(system.recipe["restorer" if kind == "restorer" else "gen"])
    try:
        found = component_costs(kind, chosen, registry) or {}
    except ToolkitError:
        found = {}
    counted: dict[str, float] = {name: round(found[name], 4) for name in _COUNTED if name in found}
    return {**counted, "seconds": _seconds(system, asked.work, registry)}


def _seconds(system: System, work: Path, registry: Registry) -> float:
    path = work / "figures" / "times.json"
    key = f"{_machine()} {system.measurement.folder.name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_suffix(".lock")):
        known: dict[str, float] = {}
        if path.is_file():
            known = json.loads(path.read_text(encoding="utf-8"))
        if key not in known:
            known[key] = round(_measured(system, registry), 4)
            write_atomically(path, (json.dumps(known, indent=1) + "\n").encode())
        return known[key]


def _measured(system: System, registry: Registry) -> float:
    measurement = system.measurement
    restorer: Any = (
        registry.make("restorer", measurement.system)
        if isinstance(measurement.system, Selection)
        else measurement.run.restorer(registry)
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    move(restorer, device)
    lr = torch.rand(1, 3, SIDE // restorer.scale, SIDE // restorer.scale).to(device)
    taken = []
    with torch.inference_mode():
        for _ in range(_ROUNDS + 1):
            begun = time.perf_counter()
            restorer(lr).cpu()  # waits for the GPU
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken[1:])


def _machine() -> str:
    """What times are measured on."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"


def _drawn(photograph: Photograph, points: Mapping[str, Mapping[str, float]]) -> Canvas:
    """Draws the crops with their costs above, and two scatter plots below."""
    images = photograph.images
    canvas = new_canvas(max(8.0, 1.75 * len(images)), 5.6)
    canvas.suptitle(TITLE, fontsize=FONT + 2)
    above, below = canvas.subfigures(2, 1, squeeze=False, height_ratios=[1, 1.35])[:, 0]
    for axes, (label, image) in zip(above.subplots(1, len(images)), images.items(), strict=True):
        show_image(axes, photograph.crop.of(image), f"{label}\n{_told(points.get(label, {}))}")
    panels = below.subplots(1, 2)
    for axes, (quality, name), (cost, unit) in zip(panels, _QUALITIES, _COSTS, strict=True):
        _scatter(axes, points, (quality, cost))
        axes.set_xlabel(unit, fontsize=FONT)
        axes.set_ylabel(f"{name} (lower is better)", fontsize=FONT)
        axes.tick_params(which="both", labelsize=FONT - 1)
    return canvas


def _told(costs: Mapping[str, float]) -> str:
    if not costs:
        return ""
    macs = f"{costs['gmacs']:,.0f} G MACs\n" if costs.get("gmacs") else "no networks\n"
    return f"{macs}{costs['seconds']:.2g} s"


def _scatter(axes: Any, points: Mapping[str, Mapping[str, float]], what: Sequence[str]) -> None:
    """Draws a point for each system; a line for one that costs nothing that is counted."""
    quality, cost = what
    for index, (label, figures) in enumerate(points.items()):
        if quality not in figures:
            continue
        colour = COLOURS[index % len(COLOURS)]
        if not figures.get(cost):
            axes.axhline(figures[quality], color=colour, ls="--", lw=1, label=label)
            continue
        axes.plot(
            figures[cost], figures[quality], MARKERS[index % len(MARKERS)],
            color=colour, ms=8, label=label,
        )  # fmt: skip
    from matplotlib.ticker import LogFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    # Between powers of ten only if there are few of them.
    axes.xaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(1.5, 0.5)))
    axes.margins(0.15)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=FONT - 1, frameon=False)
