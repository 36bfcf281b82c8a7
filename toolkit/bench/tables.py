"""The paper's tables as data: which components each row combines, and the paper's figures."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from toolkit.component import Options
from toolkit.errors import UsageError
from toolkit.recipe import SLOTS
from toolkit.registry import validate
from toolkit.specs import Selection

Scale = Literal["paper", "pocket"]


class Row(Options):
    """One line of a table."""

    label: str = Field(min_length=1)
    """What it is called."""
    recipe: dict[str, Any]
    """Which components it combines, by slot; `restorer` for a system that is not trained here."""
    paper: dict[str, float] = Field(default_factory=dict)
    """The paper's figures, by metric."""

    @field_validator("recipe")
    @classmethod
    def _names_components(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        known = (*SLOTS, "restorer")
        if not recipe:
            raise ValueError(f"it names no component; slots: {', '.join(known)}")
        for slot, spec in recipe.items():
            if slot not in known:
                raise ValueError(f"there is no slot {slot!r}; slots: {', '.join(known)}")
            try:
                Selection.model_validate(spec)
            except ValidationError:
                raise ValueError(f"{slot} = {spec!r} names no component") from None
        return recipe


class Table(Options):
    """A table of the paper, or one of the same form."""

    number: int
    """Its number."""
    title: str
    """What it compares."""
    place: str
    """Where it stands."""
    measures: Literal["complexity"]
    """What is measured of each row."""
    protocol: str
    """How."""
    better: dict[str, Literal["higher", "lower"]]
    """The metrics, and which direction is better."""
    rows: list[Row]
    """From top to bottom."""


def table_path(name: str) -> Path:
    """The file of a table: a user's own, or by its number one of the paper's.

    Raises:
        UsageError: There is no such table.
    """
    try:
        path = Path(name).expanduser()
        if path.is_file():
            return path
    except (OSError, RuntimeError):  # a name too long, a home of nobody
        pass
    known = {each.stem.removeprefix("table"): each for each in _folder().glob("table*.toml")}
    if name in known:
        return known[name]
    raise UsageError(
        f"There is no table {name!r}.",
        f"Tables so far: {', '.join(sorted(known)) or 'none'}. Or name a file of your own: "
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
        content = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The table {path} cannot be read: {error}.") from None
    table = validate(Table, content, f"The table {path}")
    assert isinstance(table, Table)
    return table


def select_rows(table: Table, labels: list[str]) -> list[Row]:
    """The rows of these labels; all, if none is named.

    Raises:
        UsageError: There is no row of a label.
    """
    known = {row.label: row for row in table.rows}
    for label in labels:
        if label not in known:
            raise UsageError(
                f"Table {table.number} has no row {label!r}.", f"Its rows: {', '.join(known)}."
            )
    return [known[label] for label in labels] if labels else table.rows


def _folder() -> Path:
    """Where the paper's tables lie: inside an installed package, or at a checkout's top."""
    inside = Path(__file__).parent / "paper"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "benchmarks" / "tables"
