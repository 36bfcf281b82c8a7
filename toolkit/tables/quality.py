"""Measures a table of quality: warm starts and references first, then the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from toolkit.recipe import Recipe
from toolkit.registry import Registry
from toolkit.tables.budget import Length, plan_length, time_steps
from toolkit.tables.measurement import Measurement
from toolkit.tables.planning import (
    PlannedRow,
    Request,
    note_failures,
    plan_references,
    plan_rows,
)
from toolkit.tables.result import QualityTable
from toolkit.tables.run import Event, run_measurements, workers_for
from toolkit.tables.spec import Row
from toolkit.tables.summary import quality_table


@dataclass(frozen=True)
class Tell:
    """What is told of the progress.

    Attributes:
        todo: Called with the number of measurements left, and of all.
        length: Called with the length of the trainings that a budget allows.
        progress: Shows the progress of so many measurements.
    """

    todo: Callable[[int, int], None]
    length: Callable[[Length], None]
    progress: Callable[[int], AbstractContextManager[Callable[[Event], None]]]


def measure_table(
    request: Request,
    rows: Sequence[Row],
    registry: Registry,
    tell: Tell,
    *,
    workers: int | None = None,
    budget: float | None = None,
    cluster: str | None = None,
) -> QualityTable:
    """Measures what is left of a table.

    Args:
        request: What is to be measured.
        rows: Rows of its table.
        registry: Supplies the components.
        tell: Told of the progress.
        workers: Number of measurements at once; None for as many as fit.
        budget: Seconds that the rows may take, which decide the number of steps; None for the
            request's own number.
        cluster: Address of a Ray cluster, empty for the default; None for processes of this
            machine.

    Raises:
        OptionsError: A row gives a component an option that it does not have.
        UsageError: The budget is too small.
        ToolkitError: The photographs cannot be written.
    """
    runner = _Local(workers) if cluster is None else _OnRay(workers, cluster)
    references = plan_references(request, rows, registry)
    failed = measure_planned(references, tell, runner)
    planned = plan_rows(request, rows, registry, references)
    if budget:
        count = sum(len(row.measurements) for row in planned)
        folder = request.work / request.setting_name / "lengths"
        length = plan_length(
            planned, references, budget, runner.size(count), folder, runner.time_steps
        )
        if length:
            tell.length(length)
            request = replace(request, steps=length.steps)
            planned = plan_rows(request, rows, registry, references)
    failed += measure_planned(planned, tell, runner)
    return quality_table(request, planned, failed, references)


def measure_planned(planned: Sequence[PlannedRow], tell: Tell, runner: Runner | None = None) -> int:
    """Runs what is not finished of rows, and notes in them what failed.

    Args:
        planned: The rows.
        tell: Told of the progress.
        runner: Where measurements run; by default in processes of this machine.

    Returns:
        The number of failures.
    """
    failed = sum(bool(each.failures) for each in planned)
    measurements: list[Measurement] = [each for row in planned for each in row.measurements]
    todo = [each for each in measurements if not each.finished]
    if not todo:
        return failed
    tell.todo(len(todo), len(measurements))
    with tell.progress(len(todo)) as show:
        failures = (runner or _Local(None)).run(todo, show)
    note_failures(planned, failures)
    return failed + len(failures)


class Runner(Protocol):
    """Where measurements run."""

    def size(self, count: int) -> int:
        """How many of so many measurements run at once."""

    def time_steps(self, recipes: Mapping[str, Recipe], size: int) -> dict[str, float]:
        """Returns the seconds of a step of each recipe."""

    def run(
        self, measurements: Sequence[Measurement], on_event: Callable[[Event], None]
    ) -> dict[Measurement, str]:
        """Runs measurements; returns the reasons of failures."""


@dataclass(frozen=True)
class _Local:
    """Processes of this machine."""

    workers: int | None

    def size(self, count: int) -> int:
        return self.workers or workers_for(count)

    def time_steps(self, recipes: Mapping[str, Recipe], size: int) -> dict[str, float]:
        return time_steps(recipes, size)

    def run(
        self, measurements: Sequence[Measurement], on_event: Callable[[Event], None]
    ) -> dict[Measurement, str]:
        # Restoring is short: where little is trained, each training gets more cores.
        trained = sum(isinstance(each.system, Recipe) for each in measurements)
        return run_measurements(measurements, self.size(max(1, trained)), on_event)


@dataclass(frozen=True)
class _OnRay:
    """Tasks on a Ray cluster."""

    workers: int | None
    cluster: str

    def size(self, _count: int) -> int:
        from toolkit.tables.on_ray import workers_on_ray

        return workers_on_ray(self.workers, cluster=self.cluster)

    def time_steps(self, recipes: Mapping[str, Recipe], size: int) -> dict[str, float]:
        from toolkit.tables.on_ray import time_steps_on_ray

        return time_steps_on_ray(recipes, size, cluster=self.cluster)

    def run(
        self, measurements: Sequence[Measurement], on_event: Callable[[Event], None]
    ) -> dict[Measurement, str]:
        from toolkit.tables.on_ray import run_on_ray

        return run_on_ray(measurements, self.workers, on_event, cluster=self.cluster)
