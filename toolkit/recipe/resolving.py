"""Resolves a recipe's tables to a recipe with every option, and compares recipes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from toolkit.component import Component, Kind, takes_path
from toolkit.paths import user_path
from toolkit.provenance import provenance
from toolkit.recipe.composing import check_section, data_selection
from toolkit.recipe.recipe import SLOTS, Recipe
from toolkit.recipe.settings import Training
from toolkit.registry import Registry
from toolkit.specs import Selection
from toolkit.validation import validate

_MAY_CHANGE = {
    "steps", "device", "accumulate", "shard", "fused", "compile", "channels_last", "prefetch",
    "workers", "max_bad_files", "cache_latents", "sample_every", "checkpoint_every", "keep",
    "validate_every", "patience", "max_skipped_steps", "track",
}  # fmt: skip
"""Options of `train` that may change when a run is resumed: they do not change what a step
computes, except for its rounding."""


def resolve(tables: Mapping[str, Any], registry: Registry) -> Recipe:
    """Validates the tables, looks up every component, and fills in every option.

    Raises:
        UnknownComponentError: A component is not installed.
        OptionsError: An option is unknown, ill-typed or out of range.
        UsageError: A section is unknown.
    """
    for section in tables:
        check_section(section, "The recipe")
    recipe = validate(Recipe, tables, "The recipe")
    full: dict[str, Any] = {
        slot: _full(registry, kind, recipe.selection(slot)) for slot, kind in SLOTS.items()
    }
    for slot in full.keys() - {"backbone"}:
        full[slot] = _on_shared_backbone(full[slot], full["backbone"])
    full["loss"] = {
        name: term.model_copy(update={"selection": _full(registry, "loss", term.selection)})
        for name, term in recipe.loss.items()
    }
    if recipe.train.validate_every:
        full["train"] = _validating(registry, recipe.train)
    recipe = recipe.model_copy(update=full)
    return recipe.model_copy(update={"provenance": provenance(registry, recipe.parts())})


def _full(registry: Registry, kind: Kind, selection: Selection) -> Selection:
    """Fills in every option of a selection, and of its backbone if it has one."""
    selection = registry.expand(kind, selection)
    options = registry.options(kind, selection)
    backbone = getattr(options, "backbone", None)
    if isinstance(backbone, Selection):
        options = options.model_copy(update={"backbone": _full(registry, "backbone", backbone)})
    return _named(registry.find(kind, selection.name), options)


def _on_shared_backbone(selection: Selection, shared: Selection) -> Selection:
    """Leaves out a part's own backbone if it is the recipe's, which it uses anyway."""
    own = selection.options.get("backbone")
    if own is None or Selection.model_validate(own) != shared:
        return selection
    rest = {name: value for name, value in selection.options.items() if name != "backbone"}
    return Selection(use=selection.use, options=rest)


def _validating(registry: Registry, train: Training) -> Training:
    """Looks up what a run is validated on and by; returns the settings with an absolute path."""
    for name in train.validate_metrics:
        registry.options("metric", Selection(use=name))
    dataset = Selection(use=data_selection(train.validate_on))
    dataset = registry.expand("dataset", dataset)
    registry.options("dataset", dataset)
    if takes_path(registry.find("dataset", dataset.name)) and dataset.variant:
        folder = user_path(dataset.variant).absolute()
        dataset = Selection(use=f"{dataset.name}:{folder}")
    return train.model_copy(update={"validate_on": dataset.use})


def _named(component: Component, options: BaseModel) -> Selection:
    """Returns a selection with absolute paths, so that a run can be resumed from any folder."""
    values = options.model_dump(mode="json", exclude_none=True)
    for name, value in options:
        if isinstance(value, Path):
            values[name] = str(user_path(value).absolute())
    return Selection(use=component.name, options=values)


def difference(first: Recipe, second: Recipe) -> list[str]:
    """Returns the differences that make two recipes different runs.

    They are given as `section.option`, or as `section` for a different component. Data in another
    folder are no difference.
    """
    differences = []
    for section in (name for name in Recipe.model_fields if name != "provenance"):
        old, new = _plain(first, section), _plain(second, section)
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        if "use" in keys:
            differences.append(section)
        elif section == "train":
            # With a cosine schedule, all learning rates depend on the number of steps.
            fixed = {"steps"} if first.train.schedule == "cosine" else set()
            differences += [f"train.{key}" for key in keys if key not in _MAY_CHANGE - fixed]
        else:
            moved = section == "data" and all(
                _is_absolute(table.get(key)) for table in (old, new) for key in keys
            )
            differences += [] if moved else [f"{section}.{key}" for key in keys]
    return differences


def _is_absolute(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_absolute()


def _plain(recipe: Recipe, section: str) -> dict[str, Any]:
    dumped = recipe.model_dump(mode="json")[section]
    return {"use": dumped} if isinstance(dumped, str) else dict(dumped)
