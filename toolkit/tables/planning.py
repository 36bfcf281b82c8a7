"""Plan of a table of quality: the measurements of each row, or what the row needs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.errors import ComponentError, ToolkitError, UnknownComponentError
from toolkit.evaluation.photographs import write_photographs
from toolkit.recipe import layered
from toolkit.registry import Registry
from toolkit.specs import Selection
from toolkit.tables.measurement import (
    Measurement,
    measurement_of_recipe,
    measurement_of_restorer,
)
from toolkit.tables.needs import absent, dataset_lacks, restorer_lacks, training_lacks
from toolkit.tables.settings import (
    Setting,
    degradation_of,
    read_settings,
    recipe_in,
    rows_in,
    setting_of,
    start_in,
)
from toolkit.tables.spec import ROW_SLOTS, Row, SettingName, Table

WARM_START = "warm start"
"""Label of what rows start from."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """A request to measure a table.

    Attributes:
        table: The table.
        setting_name: The name of the setting.
        work: Folder for the runs, images and scores of all tables.
        quick: Whether a first look is enough.
        seeds: Number of trainings of a row; None for the setting's own.
        steps: Number of steps of each training; None for the setting's own.
    """

    table: Table
    setting_name: SettingName
    work: Path
    quick: bool = False
    seeds: int | None = None
    steps: int | None = None

    @property
    def setting(self) -> Setting:
        """The setting, with the table's own changes."""
        return setting_of(self.table, self.setting_name)

    @property
    def degradation(self) -> Selection | None:
        """The degradation of the photographs that are measured on; None for none."""
        return degradation_of(self.table, self.setting_name)

    @property
    def seed_count(self) -> int:
        """Number of trainings of a row."""
        usual = self.setting.seeds
        return self.seeds or (min(self.setting.quick.seeds, usual) if self.quick else usual)

    def dataset(self, row: Row) -> str:
        """The dataset that a row is measured on."""
        return self.setting.dataset or row.dataset or self.table.dataset

    def metrics(self) -> dict[str, str]:
        """Metrics by column; a metric fills one column alone."""
        names = read_settings().metrics
        found: dict[str, str] = {}
        for column in (*self.deciding, *self.setting.beside):
            if (metric := names.get(column, column)) not in found.values():
                found[column] = metric
        return found

    @property
    def deciding(self) -> list[str]:
        """The columns that decide the table's claims."""
        return list(dict.fromkeys((*self.table.directions, *self.setting.columns)))


@dataclass
class PlannedRow:
    """A row with its measurements.

    Attributes:
        row: The row of the table.
        dataset: The dataset that it is measured on.
        recipe: Its components in this setting.
        needs: What it lacks; empty where it can be measured.
        measurements: One for each seed.
        failures: Why measurements failed, or could not be planned.
        skipped: Photographs that were set aside: (name, reason).
        absent: Columns without a metric, and why.
    """

    row: Row
    dataset: str
    recipe: dict[str, Any]
    needs: list[str]
    measurements: list[Measurement] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    skipped: tuple[tuple[str, str], ...] = ()
    absent: dict[str, str] = field(default_factory=dict)


def plan_references(request: Request, rows: Sequence[Row], registry: Registry) -> list[PlannedRow]:
    """Plans what rows are compared with: their warm starts, and restorers such as `bicubic`.

    They are to be measured before the rows, which start from the warm starts.

    Raises:
        OptionsError: A row gives a component an option that it does not have.
        UnknownComponentError: A column's metric is unknown.
        ToolkitError: The photographs cannot be written.
    """
    shared = registry.sharing()
    without = _absent_metrics(request, shared)
    labels = {row.label for row in rows}
    names = [name for name in request.setting.references if name not in labels]
    restorers = [Row(label=name, recipe={"restorer": name}) for name in names]
    found = [_planned(request, row, row.recipe, shared, without) for row in restorers]
    starts: dict[str, PlannedRow] = {}
    for row in rows_in(request.table, list(rows), request.setting_name):
        start = _start_of(request, _recipe_of(request, row))
        if isinstance(start, dict) and repr(start) not in starts:
            number = f" {len(starts) + 1}" if starts else ""
            parts = {slot: start[slot] for slot in ROW_SLOTS if slot in start}
            named = Row(label=f"{WARM_START}{number}", recipe=parts)
            starts[repr(start)] = _planned(request, named, start, shared, without, seeds=1)
    return [*found, *starts.values()]


def plan_rows(
    request: Request,
    rows: Sequence[Row],
    registry: Registry,
    references: Sequence[PlannedRow] = (),
) -> list[PlannedRow]:
    """Plans the measurements of each row, or says what it needs; trains nothing.

    Args:
        request: What is to be measured.
        rows: Rows of its table.
        registry: Supplies the components.
        references: Warm starts, by `plan_references`, which were measured.

    Raises:
        OptionsError: A row gives a component an option that it does not have.
        UnknownComponentError: A column's metric is unknown.
        ToolkitError: The photographs cannot be written.
    """
    shared = registry.sharing()
    without = _absent_metrics(request, shared)
    starts = {repr(each.recipe): each for each in references}
    found = []
    for row in rows_in(request.table, list(rows), request.setting_name):
        recipe = _recipe_of(request, row)
        start = _start_of(request, recipe)
        begun = starts.get(repr(start)) if isinstance(start, dict) else start
        if request.steps and "restorer" not in recipe:
            recipe = layered(recipe, {"train": {"steps": request.steps}})
        found.append(_planned(request, row, recipe, shared, without, start=begun))
    return found


def _recipe_of(request: Request, row: Row) -> dict[str, Any]:
    return recipe_in(request.table, row, request.setting_name, quick=request.quick)


def _start_of(request: Request, recipe: dict[str, Any]) -> dict[str, Any] | str:
    """The recipe of a row's warm start, or a run; empty where it starts from its backbone."""
    if "restorer" in recipe:
        return ""
    return start_in(request.table, recipe, request.setting_name, quick=request.quick)


def _absent_metrics(request: Request, registry: Registry) -> dict[str, str]:
    """Columns whose metric is not installed, and how to get it."""
    found = {}
    for column, metric in request.metrics().items():
        chosen = Selection.model_validate(metric)
        try:
            registry.options("metric", chosen)
        except UnknownComponentError:
            lacks = absent("metric", chosen, registry)
            if lacks.faults:
                raise
            found[column] = lacks.needs[0]
    return found


def _planned(
    request: Request,
    row: Row,
    recipe: dict[str, Any],
    registry: Registry,
    without: dict[str, str],
    *,
    start: PlannedRow | str | None = None,
    seeds: int = 0,
) -> PlannedRow:
    """Plans a row.

    Args:
        request: What is to be measured.
        row: The row.
        recipe: Its recipe in the setting.
        registry: Supplies the components.
        without: Columns without a metric, and why.
        start: What its trainings start from.
        seeds: Number of trainings; 0 for the request's own.
    """
    dataset = request.dataset(row)
    if "restorer" in recipe:
        lacks = restorer_lacks(Selection.model_validate(recipe["restorer"]), registry)
    else:
        accelerator = request.setting.accelerator
        lacks = training_lacks(recipe, registry, accelerator=accelerator)
    lacks |= dataset_lacks(dataset, registry)
    planned = PlannedRow(row, dataset, recipe, lacks.needs, failures=lacks.faults, absent=without)
    if not lacks:
        try:
            run = _started(start) if start else ""
            planned.measurements = _measurements(
                request, planned, registry, seeds or request.seed_count, run
            )
        except (ComponentError, UnknownComponentError, UnfinishedStartError) as error:
            _LOG.debug("%s", error, exc_info=error)
            planned.failures.append(error.told)
    return planned


class UnfinishedStartError(ToolkitError):
    """A row cannot be trained, as its warm start is not."""


def _started(start: PlannedRow | str) -> str:
    """The folder of the run that a row starts from.

    Raises:
        UnfinishedStartError: It has failed.
    """
    if isinstance(start, str):
        return start
    finished = [each for each in start.measurements if each.result()]
    if not finished:
        reasons = " ".join(start.needs + start.failures) or "It was not trained yet."
        raise UnfinishedStartError(f"Its warm start is missing. {reasons}")
    return str(finished[0].folder)


def _measurements(
    request: Request, planned: PlannedRow, registry: Registry, seeds: int, start: str
) -> list[Measurement]:
    count = request.setting.quick.images if request.quick else None
    parent = request.work / request.setting_name
    written = write_photographs(
        parent / "photographs",
        planned.dataset,
        request.degradation,
        count,
        registry,
        request.table.tag,
    )
    planned.skipped, photographs = written.skipped, written.folder
    label, metrics = planned.row.label, request.metrics()
    metrics = {column: each for column, each in metrics.items() if column not in planned.absent}
    if "restorer" in planned.recipe:
        chosen = Selection.model_validate(planned.recipe["restorer"])
        return [measurement_of_restorer(label, chosen, parent, photographs, metrics, registry)]
    recipe = layered(planned.recipe, {"train": {"start": start}}) if start else planned.recipe
    return [
        measurement_of_recipe(label, recipe, seed, parent, photographs, metrics, registry)
        for seed in range(seeds)
    ]


def note_failures(planned: Sequence[PlannedRow], failures: Mapping[Measurement, str]) -> None:
    """Adds to each row the reasons why its measurements failed, with the seed if it is trained."""
    for row in planned:
        for each in row.measurements:
            if each in failures:
                seed = "" if each.seed is None else f"Seed {each.seed}: "
                row.failures.append(f"{seed}{failures[each]}")
