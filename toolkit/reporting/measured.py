"""What was measured of a run: its validation, `toolkit bench`, and documents of `toolkit eval`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from toolkit.component import Supply
from toolkit.reporting.validation import Direction, directions
from toolkit.runs import Run


class Figure(NamedTuple):
    """A metric's mean over some photographs."""

    metric: str
    direction: Direction | None
    """None if the metric is not installed."""
    mean: float
    photographs: int | None
    """Their number; None if unknown."""
    origin: str
    """How it was measured, to follow the figure in a table."""


class _Summary(BaseModel):
    mean: float | None = None
    count: int = 0
    direction: Direction


class _Evaluation(BaseModel):
    """The part of a document of `toolkit eval --format json` that is needed here."""

    model_config = ConfigDict(extra="ignore")

    metrics: dict[str, _Summary]
    images: list[object]


class _Row(BaseModel):
    """The part of a result of `toolkit bench` that is needed here."""

    model_config = ConfigDict(extra="ignore")

    label: str
    figures: dict[str, dict[str, float]]
    directions: dict[str, Direction]


def figures_of(run: Run, checkpoint: Path, registry: Supply | None, step: int) -> list[Figure]:
    """Returns what was measured of a checkpoint of a run.

    Args:
        run: The run. Documents of `toolkit eval` are looked for in its folder.
        checkpoint: The checkpoint; files that are older do not count.
        registry: Supplies the metrics, which tell which of their figures are better.
        step: The checkpoint's step.
    """
    since = checkpoint.stat().st_mtime
    found = list(_of_validation(run, registry, step))
    for path in _newer(run.folder.glob("*/result.json"), since):
        found += _of_bench(path)
    for path in _newer(run.folder.glob("*.json"), since):
        found += _of_evaluation(path)
    return found


def _newer(paths: Iterable[Path], since: float) -> list[Path]:
    return sorted(path for path in paths if path.stat().st_mtime >= since)


def _of_validation(run: Run, registry: Supply | None, step: int) -> Iterator[Figure]:
    scores = dict(run.read_validation()).get(step, {})
    known = directions(scores, registry)
    if not scores:
        return
    train = run.recipe().train
    private = set(train.validate_on) & set("/\\")  # a path
    on = "own photographs" if private else f"`{train.validate_on}`"
    origin = f"validation on {on}, crops of {train.validate_crop} pixels"
    for name, mean in scores.items():
        yield Figure(name, known.get(name), mean, None, origin)


def _of_bench(path: Path) -> Iterator[Figure]:
    try:
        row = _Row.model_validate_json(path.read_bytes())
    except ValidationError:  # a file of something else
        return
    for name, figures in row.figures.items():
        if figures:
            mean = sum(figures.values()) / len(figures)
            yield Figure(name, row.directions.get(name), mean, len(figures), "`toolkit bench`")


def _of_evaluation(path: Path) -> Iterator[Figure]:
    try:
        document = _Evaluation.model_validate_json(path.read_bytes())
    except ValidationError:  # a file of something else
        return
    for name, each in document.metrics.items():
        if each.mean is not None:
            origin = f"`toolkit eval`, {path.stem}"
            yield Figure(name, each.direction, each.mean, each.count, origin)
