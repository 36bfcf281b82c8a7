"""Settings of a table: the recipe, datasets and backbones that its rows share in each."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from toolkit.component import Options
from toolkit.recipe import SLOTS, layered
from toolkit.specs import Selection
from toolkit.tables.spec import PAPER, SMALL, Row, SettingName, Table
from toolkit.validation import validate

_STARTED = ("backbone", "gen", "degradation", "data", "train")
"""Sections of a row's recipe that its warm start has, too."""
_FILE = Path(__file__).with_name("settings.toml")


class Quick(Options):
    """Changes for a first look, which takes minutes and is not conclusive."""

    images: int = Field(ge=1)
    """Number of photographs."""
    seeds: int = Field(default=1, ge=1)
    """Number of trainings of a row."""
    train: dict[str, Any] = Field(default_factory=dict)
    """Options that replace larger ones of the recipe's `train`."""
    objective: dict[str, Any] = Field(default_factory=dict)
    """Options that replace larger ones of the recipe's `objective`."""
    start: dict[str, Any] = Field(default_factory=dict)
    """Options that replace larger ones of the warm start's `train`."""


class Setting(Options):
    """A setting: what the rows of a table share."""

    about: str
    """A description of the setting, for readers."""
    how: str = ""
    """The way of measuring, in place of the table's own words."""
    accelerator: bool
    """Whether training a row needs a GPU."""
    backbones: dict[str, str]
    """Backbones that replace those of a recipe, by name."""
    dataset: str = ""
    """The dataset to measure on, in place of the table's own."""
    degradation: str | None = None
    """The degradation that makes LR images of it, in place of the one that the rows are trained on;
    empty where the dataset has LR images of its own."""
    columns: list[str] = Field(default_factory=list)
    """Columns in addition to the table's own."""
    beside: list[str] = Field(default_factory=list)
    """Columns in addition that decide no claim."""
    seeds: int = Field(ge=1)
    """Number of trainings of a row."""
    recipe: dict[str, Any]
    """The recipe that those of all trained rows are laid over."""
    start: dict[str, Any] | str = ""
    """Recipe of the warm start: a training that is done once, and that all trained rows start from.
    It has their backbone, generator, degradation and data. Or a run's folder; empty for none."""
    references: list[str] = Field(default_factory=list)
    """Restorers whose figures are given beside the rows', and the warm start's."""
    quick: Quick
    """Changes for a first look."""


class Settings(Options):
    """The file of the settings."""

    metrics: dict[str, str]
    """Metrics by column, where their names differ."""
    paper: Setting = Field(alias=PAPER)
    """The paper's own setting."""
    small: Setting = Field(alias=SMALL)
    """The setting of the small networks that ship."""

    def of(self, name: SettingName) -> Setting:
        """The setting of a name."""
        return self.paper if name == PAPER else self.small


@functools.cache
def read_settings() -> Settings:
    """Reads the file that ships."""
    content = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return validate(Settings, content, f"The settings {_FILE}")


def setting_of(table: Table, name: SettingName) -> Setting:
    """The setting of a name, with a table's own changes.

    Raises:
        OptionsError: The table changes an option that does not exist.
    """
    general = read_settings().of(name)
    own = table.settings.get(name)
    if not own:
        return general
    changed = layered(general.model_dump(), own)
    changed["recipe"] = layered(general.recipe, own.get("recipe", {}))
    return validate(Setting, changed, f"The scale {name} of the table")


def on_backbone_of(selection: Selection, name: SettingName) -> Selection:
    """Puts a component on the backbone of a setting that replaces backbones."""
    setting = read_settings().of(name)
    if not setting.backbones or not selection.variant:
        return selection
    backbone = Selection.model_validate(setting.recipe["backbone"])
    return Selection(use=f"{selection.name}:{backbone.use}", options=selection.options)


def degradation_of(table: Table, name: SettingName) -> Selection | None:
    """The degradation of the photographs that all rows are measured on; None for none.

    Where neither the setting nor the table says so itself, it is what the rows are trained on, as
    far as they share it: a row's own degradation is its own.
    """
    setting = setting_of(table, name)
    said = setting.degradation
    if said is None:
        said = layered(setting.recipe, table.common).get("degradation")
    return Selection.model_validate(said) if said else None


def rows_in(table: Table, rows: list[Row], name: SettingName) -> list[Row]:
    """The rows of a setting: one for each label, where all are measured on one dataset."""
    if not setting_of(table, name).dataset:
        return rows
    return list({row.label: row for row in reversed(rows)}.values())[::-1]


def recipe_in(table: Table, row: Row, name: SettingName, *, quick: bool = False) -> dict[str, Any]:
    """The tables of a row's recipe, or `{"restorer": …}` for a system that is not trained here."""
    setting = setting_of(table, name)
    small = row.small_recipe if name == SMALL else {}
    own = small or row.recipe
    if "restorer" in own:
        return {"restorer": own["restorer"]}
    recipe: dict[str, Any] = {}
    for layer in (setting.recipe, table.common, row.recipe, small):
        recipe = layered(
            recipe,
            {
                section: _on_backbones(value, setting.backbones) if section in SLOTS else value
                for section, value in layer.items()
            },
        )
    if quick:
        for section, lower in (("train", setting.quick.train),
                               ("objective", setting.quick.objective)):  # fmt: skip
            recipe[section] = _lowered(recipe.get(section, {}), lower)
    return recipe


def start_in(
    table: Table, recipe: Mapping[str, Any], name: SettingName, *, quick: bool = False
) -> dict[str, Any] | str:
    """The recipe of the warm start of a row; or the folder of a run, empty for none.

    Args:
        table: The table.
        recipe: The recipe of a row that is trained, by `recipe_in`.
        name: The setting.
        quick: Whether a first look is enough.
    """
    setting = setting_of(table, name)
    if isinstance(setting.start, str):
        return setting.start
    shared = {section: recipe[section] for section in _STARTED if section in recipe}
    start = layered(shared, setting.start)
    if quick:
        start["train"] = _lowered(start.get("train", {}), setting.quick.start)
    return start


def _lowered(old: Mapping[str, Any], quick: Mapping[str, Any]) -> dict[str, Any]:
    """Options with those of a first look laid over; a number that is smaller already stays."""
    numbers = int | float
    larger = {
        name
        for name, value in quick.items()
        if isinstance(value, numbers) and isinstance(own := old.get(name), numbers) and own < value
    }
    return {**old, **{name: value for name, value in quick.items() if name not in larger}}


def _on_backbones(value: Any, backbones: Mapping[str, str]) -> Any:
    """Replaces a component's backbone, where another takes its place."""
    chosen = Selection.model_validate(value)
    if chosen.use in backbones:
        return chosen.model_copy(update={"use": backbones[chosen.use]}).model_dump()
    if chosen.variant in backbones:
        use = f"{chosen.name}:{backbones[chosen.variant]}"
        return chosen.model_copy(update={"use": use}).model_dump()
    return value
