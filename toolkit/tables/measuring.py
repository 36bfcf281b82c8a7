"""Execution of one measurement: training, restoring, scoring; what is finished is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from toolkit.contracts import move
from toolkit.errors import ComponentError, DataError, ToolkitError
from toolkit.evaluation.cache import ScoreCache, default_path
from toolkit.evaluation.document import environment
from toolkit.evaluation.scores import Scores, prepare
from toolkit.evaluation.scoring import score
from toolkit.files import locked, write_atomically
from toolkit.interfaces import Restorer
from toolkit.recipe import Recipe
from toolkit.registry import Registry
from toolkit.restoring.folder import Progress, restore_files
from toolkit.restoring.jobs import plan_jobs
from toolkit.restoring.treatment import Treatment
from toolkit.specs import Selection
from toolkit.tables.measurement import Measurement, MeasurementResult
from toolkit.training.loop import Report, train

Tell = Callable[[str, int, int], None]
"""Callback for progress: the stage, how much of it is done, and of how much."""


def measure(measurement: Measurement, registry: Registry, tell: Tell) -> None:
    """Executes what is left of a measurement, and writes its result into its folder.

    Raises:
        ToolkitError: A part of it failed; what was finished before stays.
    """
    # Nobody else may work on it: a process that lost its parent may, for a step.
    with locked(measurement.folder / ".lock"):
        if measurement.finished:
            return
        clock = _Clock()
        if isinstance(measurement.system, Recipe) and not measurement.result():
            with clock.during("training"):
                _train(measurement, measurement.system, registry, tell)
        with clock.during("restoring"):
            _restore(measurement, registry, tell)
        asked, originals = measurement.metrics.values(), _originals(measurement)
        lacking = [metric for metric in asked if not originals and _compares(metric, registry)]
        with clock.during("scoring"):
            scores = _score(measurement, registry, tell, lacking)
        result = _result(measurement, scores, lacking, clock.seconds).model_dump(mode="json")
        write_atomically(measurement.result_path, (json.dumps(result) + "\n").encode())


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def during(self, stage: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.seconds[stage] = time.monotonic() - begun


def _train(measurement: Measurement, recipe: Recipe, registry: Registry, tell: Tell) -> None:
    def on_step(report: Report) -> None:
        tell("training", report.step, recipe.train.steps)

    train(measurement.run, fit_device(recipe, registry), registry, on_step=on_step)


def fit_device(recipe: Recipe, registry: Registry) -> Recipe:
    """Returns the recipe with its batch in as many pieces as the GPU's memory asks for."""
    if not torch.cuda.is_available():
        return recipe
    from toolkit.costs.planning import fit_batch

    return fit_batch(recipe, registry, torch.cuda.get_device_properties(0).total_memory)


def _restore(measurement: Measurement, registry: Registry, tell: Tell) -> None:
    """Restores the images that are left, each whole unless memory is short."""
    todo = [
        each
        for each in plan_jobs([measurement.photographs / "lr"], measurement.images)
        if not each.destination.exists()
    ]
    if not todo:
        return
    restorer = _restorer(measurement, registry)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    move(restorer, device)

    def on_event(progress: Progress) -> None:
        tell("restoring", progress.index, progress.count)

    for done in restore_files(restorer, todo, Treatment(tile=0), device=device, on_event=on_event):
        if done.error:
            kind = ComponentError if isinstance(done.error, ComponentError) else ToolkitError
            told = f"{done.job.source.name} could not be restored: {done.error}"
            raise kind(told, getattr(done.error, "hint", "")) from done.error


def _restorer(measurement: Measurement, registry: Registry) -> Restorer:
    if isinstance(measurement.system, Recipe):
        return measurement.run.restorer(registry)
    made: Restorer = registry.make("restorer", measurement.system)
    return made


def _originals(measurement: Measurement) -> Path | None:
    hr = measurement.photographs / "hr"
    return hr if hr.is_dir() else None


def _score(measurement: Measurement, registry: Registry, tell: Tell, lacking: list[str]) -> Scores:
    """Scores by all metrics but those that lack originals to compare with."""

    def on_image(_name: str, done: int, total: int) -> None:
        tell("scoring", done, total)

    asked = [metric for metric in measurement.metrics.values() if metric not in lacking]
    scores = prepare(measurement.images, _originals(measurement), asked, registry)
    nobody = DataError("It compares with originals, which nobody has of these photographs.")
    scores.unavailable |= dict.fromkeys(lacking, nobody)
    with ScoreCache(default_path()) as cache:
        return score(scores, cache, on_image=on_image)


def _compares(metric: str, registry: Registry) -> bool:
    """Whether a metric needs originals; False for one that cannot be made."""
    try:
        return bool(registry.make("metric", Selection.model_validate(metric)).needs_reference)
    except ToolkitError:
        return False


def _result(
    measurement: Measurement,
    scores: Scores,
    without_originals: list[str],
    seconds: dict[str, float],
) -> MeasurementResult:
    return MeasurementResult(
        label=measurement.label,
        seed=measurement.seed,
        system=_plain(measurement),
        figures={
            name: {image: found[name] for image, found in scores.figures.items() if name in found}
            for name in scores.metrics
        },
        directions={name: metric.direction for name, metric in scores.metrics.items()},
        fingerprints={name: dict(each.fingerprint) for name, each in scores.metrics.items()},
        unavailable={name: error.told for name, error in scores.unavailable.items()},
        missing=list(scores.missing),
        made_by=measurement.made_by,
        environment={**environment(), "torch": torch.__version__},
        without_originals=without_originals,
        seconds=seconds,
    )


def _plain(measurement: Measurement) -> dict[str, Any]:
    made = measurement.system.model_dump(mode="json")
    if isinstance(measurement.system, Recipe):
        return made
    settings = dict(measurement.fingerprint)
    return {"restorer": made, **({"settings": settings} if settings else {})}
