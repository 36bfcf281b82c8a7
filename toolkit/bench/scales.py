"""The two scales of a table: what its rows share at each, as data."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from toolkit.bench.tables import Row, Scale, Table, tables_folder
from toolkit.component import Options
from toolkit.recipe import SLOTS, layered
from toolkit.registry import validate
from toolkit.specs import Selection


class Quick(Options):
    """A first look, in minutes, that answers nothing."""

    images: int = Field(ge=1)
    """How many are measured."""
    seeds: int = Field(default=1, ge=1)
    """How often a row is trained."""
    train: dict[str, Any] = Field(default_factory=dict)
    """Laid over the recipe's."""
    objective: dict[str, Any] = Field(default_factory=dict)
    """Laid over the recipe's."""


class Protocol(Options):
    """All that the rows of a table share at one scale."""

    about: str
    """What the scale is, for readers."""
    how: str = ""
    """How it is measured, in place of the table's own words."""
    accelerator: bool
    """Whether a row that is trained needs one."""
    backbones: dict[str, str]
    """What a recipe's backbones become."""
    dataset: str = ""
    """What is measured on, in place of the table's own datasets."""
    degradation: str | None = None
    """What makes LR of it, in place of what all rows are trained on; empty where the dataset has LR
    images of its own."""
    columns: list[str] = Field(default_factory=list)
    """What is measured beside the table's own columns."""
    beside: list[str] = Field(default_factory=list)
    """What is measured, too, but decides no claim."""
    seeds: int = Field(ge=1)
    """How often a row is trained."""
    recipe: dict[str, Any]
    """What every trained row begins with."""
    quick: Quick
    """What changes for a first look."""


class Scales(Options):
    """The file of the scales."""

    metrics: dict[str, str]
    """The metric of a column, where their names differ."""
    paper: Protocol
    """The paper's own."""
    pocket: Protocol
    """The small networks that ship."""


@functools.cache
def read_scales() -> Scales:
    """Reads the file that ships."""
    path = tables_folder() / "scales.toml"
    scales = validate(Scales, tomllib.loads(path.read_text(encoding="utf-8")), f"The scales {path}")
    assert isinstance(scales, Scales)
    return scales


def protocol_of(table: Table, scale: Scale) -> Protocol:
    """What a table's rows share at a scale.

    Raises:
        OptionsError: The table changes something that there is not.
    """
    general = read_scales().paper if scale == "paper" else read_scales().pocket
    own = table.scales.get(scale)
    if not own:
        return general
    changed = layered(general.model_dump(), own)
    changed["recipe"] = layered(general.recipe, own.get("recipe", {}))
    protocol = validate(Protocol, changed, f"The scale {scale} of the table")
    assert isinstance(protocol, Protocol)
    return protocol


def degradation_of(table: Table, scale: Scale) -> Selection | None:
    """What makes LR of the photographs that all rows are measured on; None for nothing.

    Where neither the scale nor the table says so itself, it is what the rows are trained on, as far
    as they share it: a row's own degradation is its own.
    """
    protocol = protocol_of(table, scale)
    said = protocol.degradation
    if said is None:
        said = layered(protocol.recipe, table.common).get("degradation")
    return Selection.model_validate(said) if said else None


def rows_at(table: Table, rows: list[Row], scale: Scale) -> list[Row]:
    """The rows of a scale: where all is measured on one dataset, a label stands there once."""
    if not protocol_of(table, scale).dataset:
        return rows
    return list({row.label: row for row in reversed(rows)}.values())[::-1]


def recipe_at(table: Table, row: Row, scale: Scale, *, quick: bool = False) -> dict[str, Any]:
    """The tables of a row's recipe, or `{"restorer": …}` for a system that is not trained here."""
    protocol = protocol_of(table, scale)
    own = row.pocket if scale == "pocket" and row.pocket else row.recipe
    if "restorer" in own:
        return {"restorer": own["restorer"]}
    recipe: dict[str, Any] = {}
    steps = [protocol.recipe, table.common, row.recipe, row.pocket if scale == "pocket" else {}]
    for layer in steps:
        recipe = layered(
            recipe,
            {
                section: _on_backbones(value, protocol.backbones) if section in SLOTS else value
                for section, value in layer.items()
            },
        )
    if quick:
        for section in ("train", "objective"):
            recipe[section] = _lowered(recipe.get(section, {}), getattr(protocol.quick, section))
    return recipe


def _lowered(old: Mapping[str, Any], quick: Mapping[str, Any]) -> dict[str, Any]:
    """What a first look changes; a number that is the smaller one already stays."""
    numbers = int | float
    larger = {
        name
        for name, value in quick.items()
        if isinstance(value, numbers) and isinstance(own := old.get(name), numbers) and own < value
    }
    return {**old, **{name: value for name, value in quick.items() if name not in larger}}


def _on_backbones(value: Any, backbones: Mapping[str, str]) -> Any:
    """The same component, on the backbone that takes the place of its own."""
    chosen = Selection.model_validate(value)
    if chosen.use in backbones:
        return chosen.model_copy(update={"use": backbones[chosen.use]}).model_dump()
    if chosen.variant in backbones:
        use = f"{chosen.name}:{backbones[chosen.variant]}"
        return chosen.model_copy(update={"use": use}).model_dump()
    return value
