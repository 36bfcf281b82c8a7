"""The paper's tables as data: which components each row combines, and the paper's figures."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from toolkit.bench.lines import line_of
from toolkit.component import Options
from toolkit.errors import UsageError
from toolkit.paths import user_path
from toolkit.recipe import SLOTS
from toolkit.registry import validate
from toolkit.specs import Selection

Scale = Literal["paper", "pocket"]
Tag = Literal["whole", "crop512"]
"""What is restored and scored: whole photographs, or of each the 512 pixels at its centre."""
_SLOTS = (*SLOTS, "restorer")


class Row(Options):
    """One line of a table."""

    label: str = Field(min_length=1)
    """What it is called."""
    recipe: dict[str, Any]
    """Which components it combines, by slot; `restorer` for a system that is not trained here."""
    pocket: dict[str, Any] = Field(default_factory=dict)
    """The recipe at the scale of `pocket`, where it is more than the same on other backbones."""
    dataset: str = ""
    """What it is measured on at the paper's scale, if not on the table's dataset."""
    paper: dict[str, float] = Field(default_factory=dict)
    """The paper's figures, by metric."""
    tag: Tag | None = None
    """Of the paper's figures, if not the table's: then the row cannot stand in it."""

    @field_validator("recipe")
    @classmethod
    def _names_components(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        if not recipe:
            raise ValueError(f"it names no component; slots: {', '.join(_SLOTS)}")
        return check_slots(recipe)

    @field_validator("pocket")
    @classmethod
    def _names_components_too(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        return check_slots(recipe)


class Claim(Options):
    """What the paper says of two rows."""

    claim: str
    """In words."""
    better: str
    """The label of one row."""
    than: str
    """The label of the other."""


class Table(Options):
    """A table of the paper, or one of the same form."""

    number: int | None = None
    """Its number in the paper."""
    title: str
    """What it compares."""
    place: str
    """Where it stands."""
    measures: Literal["complexity", "quality"]
    """What is measured of each row: what it costs, or how good its images are."""
    protocol: str
    """How."""
    tag: Tag = "whole"
    """What is scored of each photograph."""
    dataset: str = ""
    """What is restored at the paper's scale."""
    common: dict[str, Any] = Field(default_factory=dict)
    """What the recipes of all trained rows share."""
    better: dict[str, Literal["higher", "lower"]]
    """The metrics, and which direction is better."""
    scales: dict[Scale, dict[str, Any]] = Field(default_factory=dict)
    """What this table changes of a scale; see `Protocol`."""
    rows: list[Row] = Field(min_length=1)
    """From top to bottom."""
    claims: list[Claim] = Field(default_factory=list)
    """What the paper concludes, to be tested here."""

    @field_validator("common")
    @classmethod
    def _names_sections(cls, common: dict[str, Any]) -> dict[str, Any]:
        check_slots({k: v for k, v in common.items() if k not in ("objective", "train")})
        return common

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        seen = set()
        for row in self.rows:
            if (row.label, row.dataset) in seen:
                raise ValueError(f"two rows are called {row.label!r}")
            seen.add((row.label, row.dataset))
            if row.tag not in (None, self.tag):
                raise ValueError(
                    f"row {row.label!r} is scored by the protocol {row.tag}, the table by "
                    f"{self.tag}; such scores do not compare"
                )
            if self.measures == "quality" and not (row.dataset or self.dataset):
                raise ValueError(f"row {row.label!r} says on which dataset it is measured nowhere")
        labels = {row.label for row in self.rows}
        for each in self.claims:
            for label in (each.better, each.than):
                if label not in labels:
                    raise ValueError(f"the claim {each.claim!r} names a row {label!r} there is not")
        return self


def check_slots(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe, if all of it names a component in a slot that there is.

    Raises:
        ValueError: Something does not.
    """
    for slot, spec in recipe.items():
        if slot not in _SLOTS:
            raise ValueError(f"there is no slot {slot!r}; slots: {', '.join(_SLOTS)}")
        try:
            Selection.model_validate(spec)
        except ValidationError:
            raise ValueError(f"{slot} = {spec!r} names no component") from None
    return recipe


def table_path(name: str) -> Path:
    """The file of a table: a user's own, or by its number one of the paper's.

    Raises:
        UsageError: There is no such table.
    """
    try:
        path = user_path(name)
        if path.is_file():
            return path
    except (OSError, RuntimeError):  # a name too long, a home of nobody
        pass
    files = [path for path in tables_folder().glob("*.toml") if path.stem != "scales"]
    known = {path.stem.removeprefix("table"): path for path in files}
    if name in known:
        return known[name]
    raise UsageError(
        f"There is no table {name!r}.",
        f"Tables: {', '.join(sorted(known)) or 'none'}. Or name a file of your own: "
        "--table my.toml",
    )


def read_table(name: str) -> Table:
    """Reads a table.

    Raises:
        UsageError: There is none of this name, or it is no valid TOML.
        OptionsError: It lacks something, or has too much.
    """
    path = table_path(name)
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The table {path} cannot be read: {error}.") from None
    table = validate(Table, content, f"The table {path}", lambda place: line_of(text, place))
    assert isinstance(table, Table)
    return table


def select_rows(table: Table, labels: list[str]) -> list[Row]:
    """The rows of these labels; all, if none is named.

    Raises:
        UsageError: There is no row of a label.
    """
    known = list(dict.fromkeys(row.label for row in table.rows))
    for label in labels:
        if label not in known:
            raise UsageError(f"The table has no row {label!r}.", f"Its rows: {', '.join(known)}.")
    if not labels:
        return table.rows
    return [row for label in labels for row in table.rows if row.label == label]


def tables_folder() -> Path:
    """Where the paper's tables lie: inside an installed package, or at a checkout's top."""
    inside = Path(__file__).parent / "paper"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "benchmarks" / "tables"
