"""Measures a table of quality: warm starts and references first, then the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from toolkit.registry import Registry
from toolkit.tables.budget import Length, plan_length
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

    Raises:
        OptionsError: A row gives a component an option that it does not have.
        UsageError: The budget is too small.
        ToolkitError: The photographs cannot be written.
    """
    references = plan_references(request, rows, registry)
    failed = _measure(references, workers, tell)
    planned = plan_rows(request, rows, registry, references)
    if budget:
        count = sum(len(row.measurements) for row in planned)
        folder = request.work / request.setting_name / "lengths"
        length = plan_length(planned, references, budget, workers or workers_for(count), folder)
        if length:
            tell.length(length)
            request = replace(request, steps=length.steps)
            planned = plan_rows(request, rows, registry, references)
    failed += _measure(planned, workers, tell)
    return quality_table(request, planned, failed, references)


def _measure(planned: Sequence[PlannedRow], workers: int | None, tell: Tell) -> int:
    """Runs what is not finished; returns the number of failures."""
    failed = sum(bool(each.failures) for each in planned)
    measurements: list[Measurement] = [each for row in planned for each in row.measurements]
    todo = [each for each in measurements if not each.finished]
    if todo:
        tell.todo(len(todo), len(measurements))
    with tell.progress(len(todo)) as show:
        failures = run_measurements(todo, workers or workers_for(len(todo)), show)
    note_failures(planned, failures)
    return failed + len(failures)
