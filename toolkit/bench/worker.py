"""Does one job, from where it stands: trains, restores, scores, and writes what came out."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from toolkit.bench.cache import ScoreCache, default_path
from toolkit.bench.documents import environment
from toolkit.bench.jobs import Job
from toolkit.bench.scores import Scores, prepare, score
from toolkit.contracts import move
from toolkit.errors import ComponentError, DataError, ToolkitError
from toolkit.interfaces import Restorer
from toolkit.recipe import Recipe
from toolkit.registry import Registry, validate
from toolkit.restoring.folder import Progress, plan_jobs, restore_files
from toolkit.specs import Selection
from toolkit.training.loop import Report, train
from toolkit.weights import write_atomically

Tell = Callable[[str, int, int], None]
"""Is told what is done, how much of it, and of how much."""


def work(job: Job, registry: Registry, tell: Tell) -> None:
    """Does what is left of a job; its result then lies in its folder.

    Raises:
        ToolkitError: A part of it failed; what was finished before stays.
    """
    with _alone(job.folder):
        if job.finished:
            return
        if job.trained and not job.result():
            _train(job, registry, tell)
        _restore(job, registry, tell)
        originals = _originals(job)
        lacking = [m for m in job.metrics.values() if not originals and _compares(m, registry)]
        scores = _score(job, registry, tell, lacking)
        made = {**_document(job, scores), "without_originals": lacking}
        write_atomically(job.result_path, (json.dumps(made) + "\n").encode())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until nobody else works on a folder: a process that lost its parent may, for a step."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _train(job: Job, registry: Registry, tell: Tell) -> None:
    recipe = validate(Recipe, dict(job.system), f"The recipe of {job.label}")
    assert isinstance(recipe, Recipe)

    def on_step(report: Report) -> None:
        tell("training", report.step, recipe.train.steps)

    train(job.run, recipe, registry, on_step=on_step)


def _restore(job: Job, registry: Registry, tell: Tell) -> None:
    """Restores what is not yet restored, each image whole unless memory is short."""
    todo = [
        each
        for each in plan_jobs([job.photographs / "lr"], job.images)
        if not each.destination.exists()
    ]
    if not todo:
        return
    restorer = _restorer(job, registry)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    move(restorer, device)

    def on_event(progress: Progress) -> None:
        tell("restoring", progress.index, progress.count)

    for done in restore_files(restorer, todo, tile=0, device=device, on_event=on_event):
        if done.error:
            kind = ComponentError if isinstance(done.error, ComponentError) else ToolkitError
            told = f"{done.job.source.name} could not be restored: {done.error}"
            raise kind(told, getattr(done.error, "hint", "")) from done.error


def _restorer(job: Job, registry: Registry) -> Restorer:
    if job.trained:
        return job.run.restorer(registry)
    made: Restorer = registry.make("restorer", Selection.model_validate(job.system["restorer"]))
    return made


def _originals(job: Job) -> Path | None:
    hr = job.photographs / "hr"
    return hr if hr.is_dir() else None


def _score(job: Job, registry: Registry, tell: Tell, lacking: list[str]) -> Scores:
    """All that is asked for, but metrics that are lacking what they compare with."""

    def on_image(_name: str, done: int, total: int) -> None:
        tell("scoring", done, total)

    asked = [metric for metric in job.metrics.values() if metric not in lacking]
    scores = prepare(job.images, _originals(job), asked, registry)
    nobody = DataError("It compares with originals, which nobody has of these photographs.")
    scores.unavailable |= dict.fromkeys(lacking, nobody)
    with ScoreCache(default_path()) as cache:
        return score(scores, cache, on_image=on_image)


def _compares(metric: str, registry: Registry) -> bool:
    """Whether a metric needs originals; one that cannot be made is not asked."""
    try:
        return bool(registry.make("metric", Selection.model_validate(metric)).needs_reference)
    except ToolkitError:
        return False


def _document(job: Job, scores: Scores) -> dict[str, Any]:
    """What came out, as plain values."""
    return {
        "label": job.label,
        "seed": job.seed,
        "system": dict(job.system),
        "figures": {
            name: {image: found[name] for image, found in scores.figures.items() if name in found}
            for name in scores.metrics
        },
        "directions": {name: metric.direction for name, metric in scores.metrics.items()},
        "fingerprints": {name: dict(each.fingerprint) for name, each in scores.metrics.items()},
        "unavailable": {name: e.told for name, e in scores.unavailable.items()},
        "missing": [list(each) for each in scores.missing],
        "made_by": dict(job.made_by),
        "environment": {**environment(), "torch": torch.__version__},
    }
