"""Rows of quality: what is to be trained, restored and scored of each, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.bench.jobs import Job, restorer_job, trained_job
from toolkit.bench.needs import dataset_needs, restorer_needs, training_needs
from toolkit.bench.photographs import write_photographs
from toolkit.bench.scales import Protocol, protocol_of, read_scales, recipe_at, rows_at
from toolkit.bench.statistics import Interval, bootstrap_interval, mean
from toolkit.bench.tables import Row, Scale, Table
from toolkit.registry import Registry
from toolkit.specs import Selection


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
    def seed_count(self) -> int:
        """How often a row is trained."""
        return self.seeds or (self.protocol.quick.seeds if self.quick else self.protocol.seeds)

    def dataset(self, row: Row) -> str:
        """What a row is measured on."""
        return self.protocol.dataset or row.dataset or self.table.dataset

    def metrics(self) -> dict[str, str]:
        """By column, the metric that fills it."""
        names = read_scales().metrics
        asked = dict.fromkeys((*self.deciding, *self.protocol.beside))
        return {column: names.get(column, column) for column in asked}

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
        failures: Why jobs failed.
        skipped: Photographs that were set aside: (name, reason).
    """

    row: Row
    dataset: str
    recipe: dict[str, Any]
    needs: list[str]
    jobs: list[Job] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    skipped: tuple[tuple[str, str], ...] = ()


def plan_rows(request: Request, rows: Sequence[Row], registry: Registry) -> list[Planned]:
    """What is to be done of each row, and what the others need; trains nothing.

    Raises:
        OptionsError: A row gives a component an option that it has not.
        ToolkitError: The photographs cannot be written.
    """
    shared = registry.sharing()
    return [
        _planned(request, row, shared) for row in rows_at(request.table, list(rows), request.scale)
    ]


def _planned(request: Request, row: Row, registry: Registry) -> Planned:
    recipe = recipe_at(request.table, row, request.scale, quick=request.quick)
    dataset = request.dataset(row)
    planned = Planned(row, dataset, recipe, [])
    if "restorer" in recipe:
        chosen = Selection.model_validate(recipe["restorer"])
        planned.needs += restorer_needs(chosen, registry)
    else:
        accelerator = request.protocol.accelerator
        planned.needs += training_needs(recipe, registry, accelerator=accelerator)
    planned.needs += dataset_needs(dataset, registry)
    if not planned.needs:
        planned.jobs = _jobs(request, planned, registry)
    return planned


def _jobs(request: Request, planned: Planned, registry: Registry) -> list[Job]:
    count = request.protocol.quick.images if request.quick else None
    parent = request.work / request.scale
    written = write_photographs(
        parent / "photographs",
        planned.dataset,
        request.protocol.degradation,
        count,
        registry,
        request.table.tag,
    )
    planned.skipped, photographs = written.skipped, written.folder
    label, metrics = planned.row.label, request.metrics()
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
    for job in planned.jobs:
        result = job.result() or {"unavailable": {}, "missing": []}
        for column, metric in metrics.items():
            if reason := result["unavailable"].get(metric):
                told[f"{column}: {reason}"] = None
        told |= dict.fromkeys(
            f"{metric} of {image}: {why}" for image, metric, why in result["missing"]
        )
    return list(told)
