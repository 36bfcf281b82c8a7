"""Figure 3: the discriminator's features of real and generated latents, over a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from toolkit.figures.comparison import system_records
from toolkit.figures.document import Figure, file_digest
from toolkit.figures.drawing import COLOURS, FONT, MARKERS, bare, check_library, new_canvas
from toolkit.figures.heldout import heldout
from toolkit.figures.latents import CROP, Samples, check_run, kept_steps, samples_at
from toolkit.figures.reducing import NEEDS_UMAP, REDUCTIONS, reduced, separability
from toolkit.figures.systems import Asked, systems_of
from toolkit.paths import user_path
from toolkit.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from toolkit.registry import Registry
    from toolkit.tables.quality import Tell

TITLE: Final = "Features of the discriminator's trunk, real and generated"
TIMESTEPS: Final = (50, 250, 500, 750)
_MAPPED: Final = (50, 500)
"""Timesteps whose features are drawn."""
_ROW: Final = "nad-sd21"
"""Row of Table 6."""

Moments = Mapping[int, Mapping[int, Samples]]
"""Samples by step of the training, and by timestep."""


def separability_figure(asked: Asked, registry: Registry, tell: Tell) -> Figure:
    """Makes Figure 3, of the row of Table 6 with NAD.

    Raises:
        UsageError: The row cannot be trained here, or its discriminator has no trunk.
        CheckpointError: Its run holds no weights of the discriminator.
    """
    check_library("sklearn")
    run, photographs, records = _run(asked, registry, tell)
    check_run(run, registry)
    moments = {
        step: samples_at(run, checkpoint, TIMESTEPS, photographs, registry)
        for step, checkpoint in kept_steps(run)
    }
    figures = {
        step: {t: asdict(separability(samples)) for t, samples in each.items()}
        for step, each in moments.items()
    }
    maps = {
        step: {t: {how: reduced(moments[step][t], how) for how in REDUCTIONS} for t in _MAPPED}
        for step in (min(moments), max(moments))
    }
    data: dict[str, Any] = {
        "scale": asked.setting,
        "quick": asked.quick,
        **records,
        "checkpoints": _checkpoints(run),
        "separability": figures,
        "maps": _plain(maps, moments),
        "protocol": f"Crops of {CROP} px of the held-out photographs; features are means over the "
        "regions of a crop. Accuracy: logistic regression on standardised features after PCA to "
        "95 % of the variance, cross-validated with folds of whole photographs; intervals of 95 % "
        "over photographs (BCa bootstrap). UMAP is told the classes, so that its map shows no "
        "evidence of separability.",
    }
    needs = [] if maps[0][_MAPPED[0]]["supervised UMAP"] is not None else [("UMAP", NEEDS_UMAP)]
    return Figure("figure3", TITLE, data, _drawn(maps, moments, figures), needs)


def _run(asked: Asked, registry: Registry, tell: Tell) -> tuple[Run, Path, dict[str, Any]]:
    """The run, the photographs, and what the data says of the run."""
    if asked.run:
        run = Run(user_path(asked.run))
        recipe = run.recipe().model_dump(mode="json", exclude_none=True)
        return run, heldout(asked, registry).folder, {"run": run.folder.name, "recipe": recipe}
    systems = systems_of(("6",), asked, registry, tell, (_ROW,))
    system = next((each for each in systems.found if each.label == _ROW), None)
    if system is None:
        raise systems.missing(_ROW)
    measured = system.measurement
    records = {"tables": ["6"], "systems": {_ROW: system_records(systems)[_ROW]}}
    return measured.run, measured.photographs, records


def _checkpoints(run: Run) -> dict[str, str]:
    return {path.name: file_digest(path) for _, path in kept_steps(run) if path}


def _plain(maps: Any, moments: Moments) -> dict[str, Any]:
    """The points of all maps, with their classes and photographs."""
    first = next(iter(next(iter(moments.values())).values()))
    points = {
        step: {
            t: {how: None if each is None else each.tolist() for how, each in found.items()}
            for t, found in by_time.items()
        }
        for step, by_time in maps.items()
    }
    return {
        "real": first.real.tolist(),
        "photograph": first.photograph.tolist(),
        "points": points,
    }


def _drawn(maps: Any, moments: Moments, figures: Any) -> Canvas:
    steps, count = list(maps), len(REDUCTIONS)
    canvas = new_canvas(1.75 * count * len(steps) + 0.4, 1.85 * len(_MAPPED) + 3.0)
    canvas.suptitle(TITLE, fontsize=FONT + 2)
    above, below = canvas.subfigures(2, 1, squeeze=False, height_ratios=[len(_MAPPED), 1.35])[:, 0]
    halves = above.subfigures(1, len(steps), squeeze=False)[0]
    for half, step in zip(halves, steps, strict=True):
        half.suptitle(f"training step {step}", fontsize=FONT + 1)
        grid = half.subplots(len(_MAPPED), count, squeeze=False)
        for row, t in zip(grid, _MAPPED, strict=True):
            for axes, how in zip(row, REDUCTIONS, strict=True):
                _points(axes, maps[step][t][how], moments[step][t])
                axes.set_title(how if t == _MAPPED[0] else "", fontsize=FONT)
            row[0].set_ylabel(f"t = {t}", fontsize=FONT)
    handles = halves[0].axes[0].get_legend_handles_labels()
    _accuracies(below.subplots(), figures, handles)
    return canvas


def _points(axes: Any, points: Any, samples: Samples) -> None:
    bare(axes)
    if points is None:
        axes.text(0.5, 0.5, NEEDS_UMAP.replace(": ", ":\n"), ha="center", va="center",
                  fontsize=FONT - 3, wrap=True, transform=axes.transAxes)  # fmt: skip
        return
    for real, marker, label in ((1, "o", "real"), (0, "^", "generated")):
        of_class = points[samples.real == real]
        axes.scatter(of_class[:, 0], of_class[:, 1], s=7, marker=marker, alpha=0.7, lw=0,
                     color=COLOURS[1 - real], label=label)  # fmt: skip
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color("lightgrey")


def _accuracies(axes: Any, figures: Mapping[int, Mapping[int, Any]], handles: Any) -> None:
    """Draws the accuracy over the steps of the training, for each timestep of the noise."""
    steps = list(figures)
    apart = 0.012 * (max(steps) - min(steps))  # so that intervals do not hide each other
    for index, t in enumerate(TIMESTEPS):
        found = [figures[step][t] for step in steps]
        middle = [each["accuracy"] for each in found]
        below = [each["accuracy"] - each["low"] for each in found]
        above = [each["high"] - each["accuracy"] for each in found]
        places = [step + (index - 1.5) * apart for step in steps]
        axes.errorbar(places, middle, yerr=[below, above], fmt=f"{MARKERS[index]}-", capsize=3,
                      lw=1, color=COLOURS[2 + index], label=f"t = {t}")  # fmt: skip
    axes.axhline(0.5, color="grey", lw=0.8, ls="--")
    axes.set_xticks(steps)
    axes.set_xlabel("training step", fontsize=FONT)
    axes.set_ylim(0.3, 1.03)
    axes.set_ylabel("accuracy, 95 % interval", fontsize=FONT)
    first = axes.legend(fontsize=FONT, frameon=False, loc="lower left", ncols=2)
    axes.add_artist(first)
    axes.legend(*handles, fontsize=FONT, frameon=False, loc="lower right", title="points above",
                title_fontsize=FONT)  # fmt: skip
