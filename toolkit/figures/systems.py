"""Systems of a figure: rows of tables, whose images are read from the work folder or made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.errors import UsageError
from toolkit.registry import Registry
from toolkit.tables.measurement import Measurement
from toolkit.tables.planning import PlannedRow, Request, plan_references, plan_rows
from toolkit.tables.quality import Tell, measure_planned
from toolkit.tables.reading import read_table
from toolkit.tables.spec import Row, SettingName, Table

METRICS = ("psnr", "ssim", "lpips", "dists")
"""What the systems of a figure are scored by."""
_BETTER = {"psnr": "higher", "ssim": "higher", "lpips": "lower", "dists": "lower"}


@dataclass(frozen=True)
class System:
    """A row of a table, restored and scored.

    Attributes:
        label: The row's.
        recipe: Its components.
        measurement: Its images, and its run if it is trained.
    """

    label: str
    recipe: dict[str, Any]
    measurement: Measurement

    @property
    def mean(self) -> dict[str, float]:
        """Mean score over the photographs, by metric."""
        result = self.measurement.result()
        columns = self.measurement.metrics
        found = {} if result is None else {
            column: list(result.figures.get(metric, {}).values())
            for column, metric in columns.items()
        }  # fmt: skip
        return {column: sum(each) / len(each) for column, each in found.items() if each}


@dataclass
class Systems:
    """Systems that are there, and what the others need.

    Attributes:
        found: Systems that are there.
        needs: What the others need: (label, how to get it).
    """

    found: list[System] = field(default_factory=list)
    needs: list[tuple[str, str]] = field(default_factory=list)

    def missing(self, label: str) -> UsageError:
        """Returns the error that a row which the figure cannot do without is not there."""
        reasons = dict(self.needs).get(label, "It is in none of the tables.")
        return UsageError(f"The figure needs the row {label!r}, which cannot be made: {reasons}")

    @property
    def photographs(self) -> Path:
        """The folder of the photographs that all were measured on."""
        return self.found[0].measurement.photographs


@dataclass(frozen=True)
class Asked:
    """What is asked of a figure.

    Attributes:
        setting: The paper's networks, or the small ones.
        work: The folder of runs and images that `toolkit bench` uses, too.
        quick: Whether few steps and photographs are enough.
        image: Names of the photographs to show; empty for those in which systems differ most.
        crop: The crop, as on the command line.
        run: The folder of the run that Figure 3 is made of; empty for the row of Table 6.
    """

    setting: SettingName
    work: Path
    quick: bool = False
    image: tuple[str, ...] = ()
    crop: str = "auto"
    run: str = ""


def systems_of(
    numbers: Sequence[str],
    asked: Asked,
    registry: Registry,
    tell: Tell,
    labels: Sequence[str] = (),
) -> Systems:
    """Measures the rows of tables, as far as that was not done before.

    Args:
        numbers: Tables.
        asked: What is asked of the figure.
        registry: Supplies the components.
        tell: Told of the progress.
        labels: The rows that are wanted; empty for all.

    Raises:
        UsageError: None of them can be made here; says why.
    """
    systems = Systems()
    for number in numbers:
        table = _for_figures(read_table(number), asked.setting)
        rows = [row for row in table.rows if not labels or row.label in labels]
        request = Request(table, asked.setting, asked.work, asked.quick, seeds=1)
        for row in _measured(request, _of_one_dataset(rows, table), registry, tell):
            _add(systems, row)
    systems.needs = [each for each in systems.needs if each[0] not in _labels(systems)]
    if not systems.found:
        reasons = "\n".join(f"{label}: {need}" for label, need in systems.needs)
        hint = "" if asked.setting == "pocket" else "Small and without a GPU: --scale pocket"
        raise UsageError(f"Nothing that the figure shows can be made here.\n{reasons}", hint)
    return systems


def _for_figures(table: Table, setting: SettingName) -> Table:
    """A table that is scored by what figures show: the images are the same."""
    own = {**table.settings.get(setting, {}), "columns": [], "beside": []}
    return table.model_copy(
        update={"directions": dict(_BETTER), "settings": {**table.settings, setting: own}}
    )


def _of_one_dataset(rows: list[Row], table: Table) -> list[Row]:
    """The rows of the first dataset: all systems of a figure show the same photographs."""
    first = rows[0].dataset or table.dataset if rows else ""
    return [row for row in rows if (row.dataset or table.dataset) == first]


def _measured(
    request: Request, rows: list[Row], registry: Registry, tell: Tell
) -> list[PlannedRow]:
    references = plan_references(request, rows, registry)
    measure_planned(references, tell)
    planned = plan_rows(request, rows, registry, references)
    measure_planned(planned, tell)
    return [*(each for each in references if "restorer" in each.recipe), *planned]


def _add(systems: Systems, row: PlannedRow) -> None:
    label = row.row.label
    if label in _labels(systems):
        return
    done = [each for each in row.measurements if each.result()]
    if done and (not systems.found or done[0].photographs == systems.photographs):
        systems.found.append(System(label, row.recipe, done[0]))
    elif reasons := [*row.needs, *row.failures]:
        systems.needs.append((label, " ".join(reasons)))


def _labels(systems: Systems) -> set[str]:
    return {each.label for each in systems.found}
