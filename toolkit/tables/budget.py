"""The length of a table's trainings, from a budget of time and the measured duration of a step."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import multiprocessing
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from toolkit.devices import processor_cores
from toolkit.errors import UsageError
from toolkit.files import write_atomically
from toolkit.recipe import Recipe
from toolkit.tables.planning import PlannedRow

_PROBE = 8
"""Steps that are timed of each row."""
_SETTLING = 3
"""Steps of those that are left out, as the first ones are slower."""
_BEGINNING = 15.0
"""Seconds for starting a process and reading weights."""
_UNITS = {"d": 86400, "h": 3600, "m": 60, "min": 60, "s": 1}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)")


@dataclass(frozen=True)
class Length:
    """The length of the trainings of a table.

    Attributes:
        steps: Number of steps of each training.
        seeds: Number of trainings of a row.
        workers: Number of trainings at once.
        seconds: Duration of a step, by row.
        beside: Seconds of a training's start, and of restoring and scoring.
    """

    steps: int
    seeds: int
    workers: int
    seconds: dict[str, float]
    beside: float

    @property
    def total(self) -> float:
        """Seconds that all of it takes."""
        steps = self.seeds * self.steps * sum(self.seconds.values())
        return (steps + self.seeds * len(self.seconds) * self.beside) / self.workers

    def __str__(self) -> str:
        low, high = min(self.seconds.values()), max(self.seconds.values())
        each = f"{low:.2g} s" if low == high else f"{low:.2g} to {high:.2g} s"
        together = f", {self.workers} at once" if self.workers > 1 else ""
        return (
            f"{len(self.seconds)} rows × {self.seeds} seeds × {self.steps} steps of {each}"
            f"{together}: about {duration(self.total)}"
        )


def parse_duration(text: str) -> float:
    """Returns the seconds of a duration such as `3h`, `1h30m` or `45 min`.

    Raises:
        UsageError: It is no duration.
    """
    parts = _DURATION.findall(text)
    rest = _DURATION.sub("", text).strip()
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if rest or seconds <= 0:
        raise UsageError(f"{text!r} is no duration.", "Write it like 3h, 90min or 1h30m.")
    return seconds


def duration(seconds: float) -> str:
    """Writes a duration for readers.

    Example:
        >>> duration(10_030)
        '2 h 47 min'
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def plan_length(
    planned: Sequence[PlannedRow],
    references: Sequence[PlannedRow],
    seconds: float,
    workers: int,
    folder: Path,
    timing: Callable[[Mapping[str, Recipe], int], dict[str, float]] | None = None,
) -> Length | None:
    """Returns how long a table's trainings may be; None if nothing is to be trained.

    The answer is recorded, so that an interrupted command goes on with the same number of steps.

    Args:
        planned: The rows.
        references: Rows that were measured before, whose restoring and scoring was timed.
        seconds: The budget.
        workers: Number of trainings at once.
        folder: Where answers are recorded.
        timing: Returns the seconds of a step of each recipe; by default `time_steps`.

    Raises:
        UsageError: The budget does not suffice for restoring and scoring.
    """
    recipes: dict[str, Recipe] = {}
    for row in planned:
        first = row.measurements[0].system if row.measurements else None
        if isinstance(first, Recipe):
            recipes[row.row.label] = first
    if not recipes:
        return None
    seeds = max(len(row.measurements) for row in planned)
    path = folder / f"{_mark(recipes, seeds, seconds, workers)}.json"
    if path.is_file():
        return Length(**json.loads(path.read_bytes()))
    beside = _BEGINNING + max(map(_seconds_after_training, references), default=0.0)
    timed = (timing or time_steps)(recipes, workers)
    left = seconds * workers - seeds * len(recipes) * beside
    steps = int(left / (seeds * sum(timed.values())))
    if steps < 1:
        least = seeds * (len(recipes) * beside + sum(timed.values())) / workers
        raise UsageError(
            f"A budget of {duration(seconds)} is too small for {len(recipes)} rows with {seeds} "
            f"seeds: restoring and scoring alone take about {duration(least)}.",
            "Name a larger one, fewer seeds (--seeds), or some rows (--only).",
        )
    length = Length(steps, seeds, workers, timed, beside)
    write_atomically(path, (json.dumps(asdict(length)) + "\n").encode())
    return length


def time_steps(recipes: Mapping[str, Recipe], workers: int) -> dict[str, float]:
    """Returns the seconds of a step of each recipe, with as many processes at once as later."""
    threads = max(1, processor_cores() // workers)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        found = {
            label: pool.submit(time_step, recipe, threads) for label, recipe in recipes.items()
        }
        return {label: future.result() for label, future in found.items()}


def time_step(recipe: Recipe, threads: int) -> float:
    """Trains for a few steps in a temporary folder; returns the seconds of a step."""
    import torch

    from toolkit.discovery import installed
    from toolkit.runs import Run
    from toolkit.tables.measuring import fit_device
    from toolkit.training.loop import train

    logging.getLogger("toolkit").setLevel(logging.ERROR)
    torch.set_num_threads(threads)
    training = recipe.train.model_copy(
        update={"steps": _PROBE, "checkpoint_every": _PROBE, "sample_every": 0, "validate_every": 0}
    )
    objective = recipe.objective.model_copy(update={"first_loss_steps": 0})
    short = recipe.model_copy(update={"train": training, "objective": objective})
    ends: list[float] = []
    registry = installed()
    with TemporaryDirectory() as folder:
        train(
            Run(Path(folder) / "run"),
            fit_device(short, registry),
            registry,
            on_step=lambda _report: ends.append(time.monotonic()),
        )
    settled = ends[_SETTLING - 1 : -1]  # the last step also writes a checkpoint
    return statistics.median(after - before for before, after in itertools.pairwise(settled))


def _seconds_after_training(row: PlannedRow) -> float:
    results = [found for each in row.measurements if (found := each.result())]
    return max((r.seconds.get("restoring", 0) + r.seconds.get("scoring", 0) for r in results),
               default=0.0)  # fmt: skip


def _mark(recipes: Mapping[str, Recipe], seeds: int, seconds: float, workers: int) -> str:
    content = {label: recipe.model_dump(mode="json") for label, recipe in recipes.items()}
    for each in content.values():
        del each["train"]["steps"]
    text = json.dumps([content, seeds, seconds, workers], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
