"""The form of a table: which components each row combines, and the paper's figures.

Where a key of the TOML file has another name than the attribute, the key is the alias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from toolkit.component import Kind, Options
from toolkit.evaluation.comparison import Direction
from toolkit.evaluation.photographs import Tag
from toolkit.recipe import SLOTS
from toolkit.specs import Selection

SettingName = Literal["paper", "pocket"]
"""The paper's own setting, and the small one, which needs no GPU."""
PAPER: SettingName = "paper"
SMALL: SettingName = "pocket"
ROW_SLOTS: Mapping[str, Kind] = {**SLOTS, "loss": "loss", "restorer": "restorer"}
"""What a row may name, and the kind of each."""


class Row(Options):
    """One line of a table."""

    label: str = Field(min_length=1)
    """The name of the row."""
    recipe: dict[str, Any]
    """Components by slot; `restorer` for a system that is not trained here."""
    small_recipe: dict[str, Any] = Field(default_factory=dict, alias=SMALL)
    """Components in the small setting, where more than the backbones differs."""
    dataset: str = ""
    """The dataset in the paper's setting, if it is not the table's."""
    paper: dict[str, float] = Field(default_factory=dict)
    """The paper's figures, by metric."""
    remark: str = ""
    """A remark on the row, such as why its figures differ from the paper's."""
    tag: Tag | None = None
    """The tag of the paper's figures; a row whose tag is not the table's is refused."""

    @field_validator("recipe")
    @classmethod
    def _names_components(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        if not recipe:
            raise ValueError(f"it names no component; slots: {', '.join(ROW_SLOTS)}")
        return check_slots(recipe)

    @field_validator("small_recipe")
    @classmethod
    def _names_components_too(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        return check_slots(recipe)


class Claim(Options):
    """A statement of the paper that one row is better than another."""

    claim: str
    """The statement in words."""
    better: str
    """The label of the row that is said to be better."""
    than: str
    """The label of the row that it is compared with."""


class Table(Options):
    """A table of the paper, or one of the same form."""

    number: int | None = None
    """Its number in the paper."""
    title: str
    """The title, which names what is compared."""
    place: str
    """The place in the paper."""
    measures: Literal["complexity", "quality"]
    """The kind of table: `complexity` counts costs, `quality` scores images."""
    how: str = Field(alias="protocol")
    """The way of measuring, in words."""
    tag: Tag = "whole"
    """The part of each photograph that is scored."""
    dataset: str = ""
    """The dataset that is restored in the paper's setting."""
    common: dict[str, Any] = Field(default_factory=dict)
    """Components and options that all trained rows share."""
    directions: dict[str, Direction] = Field(alias="better")
    """The columns of the table, and whether higher or lower figures are better."""
    settings: dict[SettingName, dict[str, Any]] = Field(default_factory=dict, alias="scales")
    """Changes of this table to a setting; see `Setting`."""
    rows: list[Row] = Field(min_length=1)
    """Rows from top to bottom."""
    claims: list[Claim] = Field(default_factory=list)
    """Conclusions of the paper, to be tested here."""

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
    """Checks that a recipe names a component in each slot, and returns it.

    Raises:
        ValueError: A slot is unknown, or its value names no component.
    """
    for slot, spec in recipe.items():
        if slot not in ROW_SLOTS:
            raise ValueError(f"there is no slot {slot!r}; slots: {', '.join(ROW_SLOTS)}")
        try:
            Selection.model_validate(spec)
        except ValidationError:
            raise ValueError(f"{slot} = {spec!r} names no component") from None
    return recipe
