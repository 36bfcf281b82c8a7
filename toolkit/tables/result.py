"""Result of a table, as `toolkit bench --format json` writes it.

Where a key of the document has another name than the attribute, the key is the alias.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

from toolkit.evaluation.comparison import Direction
from toolkit.evaluation.document import environment
from toolkit.evaluation.photographs import Tag
from toolkit.evaluation.statistics import Interval
from toolkit.tables.claims import AnyResult, CostResult, decide_costs
from toolkit.tables.comparison import RowDifference
from toolkit.tables.measurement import MadeBy
from toolkit.tables.spec import PAPER, Row, SettingName, Table


class _Record(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="ignore", frozen=True, validate_by_name=True, validate_by_alias=True
    )


class RowResult(_Record):
    """A row of a table of costs: figures, or what it needs.

    Attributes:
        label: Name of the row.
        recipe: Tables of its recipe in the setting.
        status: Whether it was measured.
        needs: What is missing, if it was not measured.
        measured: Figures, by metric.
        paper: The paper's figures.
        remark: A remark on the row, such as why its figures differ from the paper's.
    """

    label: str
    recipe: dict[str, Any]
    status: Literal["measured", "needs"]
    needs: list[str]
    measured: dict[str, float]
    paper: dict[str, float]
    remark: str = ""


class ColumnResult(_Record):
    """Figures of a row in one column.

    Attributes:
        mean: Mean over photographs and seeds.
        interval: Interval of the mean over trainings and photographs, or over photographs if there
            is one training or none; None for a single photograph.
        seeds: Mean of each seed.
        images: Mean over the seeds of each photograph.
        direction: Which figures are better.
        figures: Figures of each seed, in the order of `images`; empty in older results.
    """

    mean: float
    interval: Interval | None
    seeds: list[float]
    images: dict[str, float]
    direction: Direction
    figures: list[list[float]] = Field(default_factory=list)


class QualityRow(RowResult):
    """A row of a table of quality.

    Attributes:
        dataset: Dataset that it was measured on.
        tag: Part of each photograph that was measured on.
        seeds: Seeds of the finished trainings.
        columns: Results by column.
        notes: Figures that could not be measured, and why.
        folders: Folder of each measurement.
        photographs: Folder of the photographs; empty if none were restored.
        made_by: Code of the measurements; None if there are none.
    """

    dataset: str
    tag: Tag
    seeds: list[int]
    columns: dict[str, ColumnResult]
    notes: list[str]
    folders: list[str]
    photographs: str
    made_by: MadeBy | None = None

    @field_validator("made_by", mode="before")
    @classmethod
    def _from_nothing(cls, value: Any) -> Any:
        return value or None

    @field_serializer("made_by")
    def _to_nothing(self, value: MadeBy | None) -> dict[str, Any]:
        return value.model_dump(mode="json") if value else {}


class _TableRecord(_Record):
    """The part of a result that tables of costs and of quality share.

    Attributes:
        number: Number in the paper; None for a user's table.
        title: What the table compares.
        place: Where the table appears.
        setting: Name of the setting that it was measured in.
        how: How it was measured, in words.
        directions: The columns, and which of their figures are better.
    """

    number: int | None = Field(alias="table")
    title: str
    place: str
    setting: SettingName = Field(alias="scale")
    how: str = Field(alias="protocol")
    directions: dict[str, Direction] = Field(alias="columns")


class CostsTable(_TableRecord):
    """The result of a table of costs.

    Attributes:
        rows: Rows from top to bottom.
        failed: Number of rows that failed.
        environment: Versions of the libraries.
        claims: What became of the paper's.
    """

    rows: list[RowResult]
    failed: int
    environment: dict[str, str]
    claims: list[CostResult] = Field(default_factory=list)


class Statistics(_Record):
    """Descriptions of intervals and tests, in words."""

    interval: str
    tests: str


class QualityTable(_TableRecord):
    """The result of a table of quality.

    Attributes:
        rows: Rows from top to bottom.
        environment: Versions of the libraries.
        about: Description of the setting.
        tag: Part of each photograph that was measured on.
        degradation: Degradation that made the LR images; empty if the dataset has its own.
        quick: Whether it was a first look.
        statistics: How intervals and tests were made.
        differences: Of every two rows by every metric.
        claims: What became of the paper's.
        deciding: The columns that decide claims.
        failed: How many rows and measurements failed.
        references: What the rows start from, and restorers to compare them with.
    """

    rows: list[QualityRow]
    environment: dict[str, str]
    about: str
    tag: Tag
    degradation: str = ""
    quick: bool
    statistics: Statistics
    differences: list[RowDifference]
    claims: list[AnyResult]
    deciding: list[str] = Field(default_factory=list)
    failed: int
    references: list[QualityRow] = Field(default_factory=list)


TableResult = CostsTable | QualityTable


def row_result(row: Row, figures: Mapping[str, float], needs: Sequence[str]) -> RowResult:
    """Makes a row of costs: figures, or what it needs."""
    return RowResult(
        label=row.label,
        recipe=row.recipe,
        status="needs" if needs else "measured",
        needs=list(needs),
        measured=dict(figures),
        paper=row.paper,
        remark=row.remark,
    )


def costs_table(
    table: Table, setting: SettingName, rows: Sequence[RowResult], failed: int = 0
) -> CostsTable:
    """Makes the result of a table of costs."""
    return CostsTable(
        number=table.number,
        title=table.title,
        place=table.place,
        setting=setting,
        how=table.how,
        directions=table.directions,
        rows=list(rows),
        failed=failed,
        environment=table_environment(),
        claims=decide_costs(table.claims, {row.label: row.measured for row in rows}),
    )


def table_environment() -> dict[str, str]:
    """The versions that the figures of a table may depend on."""
    return {**environment(), "torch": version("torch")}


def as_document(result: TableResult) -> dict[str, Any]:
    """The result as plain values, to be written as JSON."""
    document = result.model_dump(mode="json", by_alias=True)
    document["rows"] = [
        {name: each for name, each in row.items() if name != "remark" or each}
        for row in document["rows"]
    ]
    return document


def is_papers(result: TableResult) -> bool:
    """Whether the figures compare with the paper's, which those of another setting do not."""
    return result.setting == PAPER


def dataset_of(row: RowResult) -> str:
    """The dataset that a row was measured on; empty for a row of costs."""
    return row.dataset if isinstance(row, QualityRow) else ""
