"""Rows of quality: what is to be trained, restored and scored of each, and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.bench.jobs import Job, restorer_job, trained_job
from toolkit.bench.needs import absent, dataset_lacks, restorer_lacks, training_lacks
from toolkit.bench.photographs import write_photographs
from toolkit.bench.scales import (
    Protocol,
    degradation_of,
    protocol_of,
    read_scales,
    recipe_at,
    rows_at,
)
from toolkit.bench.statistics import Interval, bootstrap_interval, mean
from toolkit.bench.tables import Row, Scale, Table
from toolkit.errors import ComponentError, UnknownComponentError
from toolkit.registry import Registry
from toolkit.specs import Selection

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """How a table is to be measured.

    Attributes:
        table: Which.
        scale: At which scale.
        work: Where runs, images and scores are kept, for all tables.
        quick: Whether a first look is enough.
        seeds: How often a row is trained; None for as often as the scale has it.
    """

    table: Table
    scale: Scale
    work: Path
    quick: bool = False
    seeds: int | None = None

    @property
    def protocol(self) -> Protocol:
        """What all rows share."""
        return protocol_of(self.table, self.scale)

    @property
    def degradation(self) -> Selection | None:
        """What makes LR of the photographs that are measured on; None for nothing."""
        return degradation_of(self.table, self.scale)

    @property
    def seed_count(self) -> int:
        """How often a row is trained."""
        usual = self.protocol.seeds
        return self.seeds or (min(self.protocol.quick.seeds, usual) if self.quick else usual)

    def dataset(self, row: Row) -> str:
        """What a row is measured on."""
        return self.protocol.dataset or row.dataset or self.table.dataset

    def metrics(self) -> dict[str, str]:
        """By column, the metric that fills it; a metric fills one column alone."""
        names = read_scales().metrics
        found: dict[str, str] = {}
        for column in (*self.deciding, *self.protocol.beside):
            if (metric := names.get(column, column)) not in found.values():
                found[column] = metric
        return found

    @property
    def deciding(self) -> list[str]:
        """The columns that decide the table's claims."""
        return list(dict.fromkeys((*self.table.better, *self.protocol.columns)))


@dataclass
class Planned:
    """A row, and how it is measured.

    Attributes:
        row: From the table.
        dataset: What it is measured on.
        recipe: Its parts at this scale.
        needs: Why it cannot be measured; empty where it can.
        jobs: One a seed.
        failures: Why jobs failed, or could not be planned.
        skipped: Photographs that were set aside: (name, reason).
        absent: Columns without a metric, and why.
    """

    row: Row
    dataset: str
    recipe: dict[str, Any]
    needs: list[str]
    jobs: list[Job] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    skipped: tuple[tuple[str, str], ...] = ()
    absent: dict[str, str] = field(default_factory=dict)


def plan_rows(request: Request, rows: Sequence[Row], registry: Registry) -> list[Planned]:
    """What is to be done of each row, and what the others need; trains nothing.

    Raises:
        OptionsError: A row gives a component an option that it has not.
        UnknownComponentError: A column is of no metric that is known.
        ToolkitError: The photographs cannot be written.
    """
    shared = registry.sharing()
    without = _absent_metrics(request, shared)
    return [
        _planned(request, row, shared, without)
        for row in rows_at(request.table, list(rows), request.scale)
    ]


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


def _planned(request: Request, row: Row, registry: Registry, without: dict[str, str]) -> Planned:
    recipe = recipe_at(request.table, row, request.scale, quick=request.quick)
    dataset = request.dataset(row)
    if "restorer" in recipe:
        lacks = restorer_lacks(Selection.model_validate(recipe["restorer"]), registry)
    else:
        accelerator = request.protocol.accelerator
        lacks = training_lacks(recipe, registry, accelerator=accelerator)
    lacks |= dataset_lacks(dataset, registry)
    planned = Planned(row, dataset, recipe, lacks.needs, failures=lacks.faults, absent=without)
    if not lacks:
        try:
            planned.jobs = _jobs(request, planned, registry)
        except (ComponentError, UnknownComponentError) as error:
            _LOG.debug("%s", error, exc_info=error)
            planned.failures.append(error.told)
    return planned


def _jobs(request: Request, planned: Planned, registry: Registry) -> list[Job]:
    count = request.protocol.quick.images if request.quick else None
    parent = request.work / request.scale
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
        return [restorer_job(label, chosen, parent, photographs, metrics, registry)]
    return [
        trained_job(label, planned.recipe, seed, parent, photographs, metrics, registry)
        for seed in range(request.seed_count)
    ]


@dataclass(frozen=True)
class Column:
    """What was measured of a row in one column.

    Attributes:
        mean: Over photographs and seeds.
        interval: Of the mean over the photographs; None for a single one.
        seeds: The mean of each seed.
        images: By photograph, its mean over the seeds.
        direction: Which is better.
    """

    mean: float
    interval: Interval | None
    seeds: list[float]
    images: dict[str, float]
    direction: str


def columns(planned: Planned, metrics: Mapping[str, str]) -> dict[str, Column]:
    """What came of a row, of the seeds that were finished; without what could not be measured."""
    results = [result for job in planned.jobs if (result := job.result())]
    found = {}
    for column, metric in metrics.items():
        seeds = [figures for r in results if (figures := r["figures"].get(metric))]
        shared = (
            [name for name in seeds[0] if all(name in other for other in seeds)] if seeds else []
        )
        if not shared:
            continue
        images = {name: mean([figures[name] for figures in seeds]) for name in shared}
        values = list(images.values())
        found[column] = Column(
            mean=mean(values),
            interval=bootstrap_interval(values),
            seeds=[mean([figures[name] for name in shared]) for figures in seeds],
            images=images,
            direction=results[0]["directions"][metric],
        )
    return found


def notes(planned: Planned, metrics: Mapping[str, str]) -> list[str]:
    """What could not be measured of a row that was, and why."""
    told = dict.fromkeys(f"{name} was set aside: {reason}" for name, reason in planned.skipped)
    told |= dict.fromkeys(f"{column}: {reason}" for column, reason in planned.absent.items())
    for job in planned.jobs:
        result = job.result() or {"unavailable": {}, "missing": []}
        for column, metric in metrics.items():
            if reason := result["unavailable"].get(metric):
                told[f"{column}: {reason}"] = None
        told |= dict.fromkeys(
            f"{metric} of {image}: {why}" for image, metric, why in result["missing"]
        )
    return list(told)
