"""The page of a run: its state, curves, samples, recipe and use of the hardware."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from toolkit.component import Supply
from toolkit.files import write_atomically
from toolkit.recipe import Recipe
from toolkit.reporting.curves import layers_of
from toolkit.reporting.logs import FIXED, Logs, Record, read_logs, series
from toolkit.reporting.pages import as_markup, render
from toolkit.reporting.pictures import sheets_in
from toolkit.reporting.plots import COLOURS, colours_of, curve_plot, layer_plot
from toolkit.reporting.validation import best_point, directions, summaries
from toolkit.runs import Run

PAGE = "run.html"
_TEMPLATE = Path(__file__).with_name("run.html")
_REST = "rest"
"""The time of a step outside of its phases."""
_OTHER_LOSSES = ("latent", "adversarial", "discriminator")
"""Logged beside the losses between images."""
_MEMORY = {"rss": "main memory", "gpu_memory": "GPU memory, peak"}


def write_page(run: Run, path: Path, registry: Supply | None = None) -> Path:
    """Writes the page of a run, whatever there is of it yet, as one HTML file without links.

    Args:
        run: The run, finished or not.
        path: The file, such as `run.folder / PAGE`; replaced if it exists.
        registry: Supplies the metrics of validation, which know whether higher or lower figures
            are better; None to mark no best figure.

    Returns:
        The file.

    Raises:
        UsageError: There is no run, or its recipe is ill-formed.
        OSError: The file cannot be written.
    """
    page = as_page(run, registry)
    write_atomically(path, page.encode("utf-8", "replace"))  # a name may be no valid text
    return path


def as_page(run: Run, registry: Supply | None = None) -> str:
    """Renders the page; see `write_page`."""
    recipe, logs = run.recipe(), read_logs(run)
    logged, losses = series(logs.training), {*recipe.loss, *_OTHER_LOSSES}
    figures = series(logs.validation)
    known = directions(figures, registry)
    name = run.folder.resolve().name
    return render(
        _TEMPLATE,
        title=f"{name}: run",
        name=name,
        parts=_parts(recipe),
        state=_state(run, recipe, logs),
        crashes=logs.crashes,
        figures=summaries(figures, known),
        validation=as_markup(
            curve_plot(each, {each: points}, {each: COLOURS[2]}, dots=True,
                       best=best_point(points, known.get(each)))
            for each, points in figures.items()
        ),
        losses=as_markup(_curve(*each, COLOURS[0]) for each in logged.items() if each[0] in losses),
        balance=as_markup(
            _curve(*each, COLOURS[3]) for each in logged.items() if each[0] not in losses
        ),
        sheets=sheets_in(run.samples),
        hardware=as_markup(_hardware(logs.usage)),
        recipe=recipe.model_copy(update={"provenance": {}}).toml(),
        made_by=recipe.provenance,
        written=_written(),
    )  # fmt: skip


def _curve(name: str, points: Sequence[tuple[int, float]], colour: str) -> str:
    return curve_plot(name, {name: points}, {name: colour})


def _parts(recipe: Recipe) -> list[tuple[str, str]]:
    """Returns what the run is made of, for its head."""
    losses = " + ".join(
        f"{term.weight:g} {name}" if term.weight != 1 else name
        for name, term in recipe.loss.items()
    )
    return [
        ("generator", recipe.gen.use),
        ("backbone", recipe.backbone.use),
        ("discriminator", recipe.disc.use),
        ("losses", losses or "none"),
        ("degradation", recipe.degradation.use),
        ("data", recipe.data.use),
    ]


def _state(run: Run, recipe: Recipe, logs: Logs) -> dict[str, Any]:
    """Returns how far the run is, how fast, and when it last logged."""
    step, steps = logs.step, recipe.train.steps
    finished, last = step >= steps, logs.usage[-1][1] if logs.usage else {}
    seconds = last.get("seconds")
    tiles = [("step", f"{step:,} of {steps:,}")]
    if seconds:
        tiles.append(("speed", f"{seconds:.3g} s/step" if seconds >= 1
                      else f"{1 / seconds:.3g} steps/s"))  # fmt: skip
        if not finished:
            tiles.append(("left", duration((steps - step) * seconds)))
    tiles += [(what, f"{last[name] / 1e9:.2f} GB") for name, what in _MEMORY.items()
              if name in last]  # fmt: skip
    if "cpu" in last:
        tiles.append(("processor", f"{last['cpu']:.0%}"))
    logged = run.log.stat().st_mtime if run.log.is_file() else None
    return {
        "word": "finished" if finished else "not finished" if step else "no step logged yet",
        "finished": finished,
        "share": min(1.0, step / steps),
        "logged": _time(datetime.fromtimestamp(logged, UTC)) if logged else "",
        "tiles": tiles,
    }


def _hardware(usage: Sequence[Record]) -> list[str]:
    """Plots the seconds of a step by phase, memory, and the processor's use."""
    phases = [(step, _phases(values)) for step, values in usage]
    phases = [each for each in phases if each[1]]
    plots = []
    if phases:
        steps, layers = layers_of(phases)
        colours = colours_of(layers) | {_REST: COLOURS[-1]}
        plots.append(layer_plot("Seconds of a step", steps, layers, colours))
    curves = series(usage)
    memory = {what: [(step, value / 1e9) for step, value in curves[name]]
              for name, what in _MEMORY.items() if name in curves}  # fmt: skip
    if memory:
        plots.append(curve_plot("Memory, GB", memory, colours_of(memory), zero=True))
    if "cpu" in curves:
        share = [(step, 100 * value) for step, value in curves["cpu"]]
        title = "Processor, % of the cores"
        plots.append(curve_plot(title, {title: share}, {title: COLOURS[4]}, zero=True))
    return plots


def _phases(values: dict[str, float] | Any) -> dict[str, float]:
    """Returns the seconds of a step by phase, and what is in none of them."""
    phases = {name: max(0.0, value) for name, value in values.items() if name not in FIXED}
    rest = values.get("seconds", 0.0) - sum(phases.values())
    return phases | ({_REST: rest} if rest > 0 else {})


def _written() -> str:
    libraries = [("restoration-toolkit", "restoration-toolkit"), ("torch", "PyTorch")]
    versions = [f"{what} {found}" for name, what in libraries if (found := _version(name))]
    versions += [f"Python {platform.python_version()}", platform.platform()]
    return f"Page written {_time(datetime.now(UTC))}, with {', '.join(versions)}."


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _time(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def duration(seconds: float) -> str:
    """Writes a duration.

    Example:
        >>> [duration(seconds) for seconds in (40, 150, 7000, 400_000)]
        ['40 s', '2 min 30 s', '1 h 56 min', '4 d 15 h']
    """
    days, rest = divmod(round(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
