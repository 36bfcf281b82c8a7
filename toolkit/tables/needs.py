"""Needs of a row: what this machine lacks for it, and how to get it.

To find out, nothing large is fetched.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.component import Kind
from toolkit.errors import (
    ComponentError,
    OptionsError,
    ToolkitError,
    UnknownComponentError,
    did_you_mean,
)
from toolkit.recipe import LossTerm, loss_tables
from toolkit.registry import Registry
from toolkit.specs import Selection
from toolkit.suppliers import how_to_install, is_installed, supplier
from toolkit.tables.reading import PAPER_TABLES, read_table
from toolkit.tables.settings import read_settings
from toolkit.tables.spec import ROW_SLOTS, SMALL
from toolkit.weights import path_of

_LOG = logging.getLogger(__name__)


@dataclass
class Lacks:
    """Reasons why something cannot be measured; where there are none, it can.

    Attributes:
        needs: Things that can be fetched or installed, and how.
        faults: Errors of the table or of a plugin.
    """

    needs: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.needs or self.faults)

    def __or__(self, other: Lacks) -> Lacks:
        needs, faults = [*self.needs, *other.needs], [*self.faults, *other.faults]
        return Lacks(list(dict.fromkeys(needs)), list(dict.fromkeys(faults)))


def restorer_lacks(selection: Selection, registry: Registry) -> Lacks:
    """Finds what a restorer lacks; its weights are fetched, if they can be."""
    return _lacks("restorer", selection, registry)


def dataset_lacks(selection: Any, registry: Registry) -> Lacks:
    """Finds what is lacking to measure or train on a dataset."""
    return _lacks("dataset", Selection.model_validate(selection), registry)


def training_lacks(recipe: Mapping[str, Any], registry: Registry, *, accelerator: bool) -> Lacks:
    """Finds what a row lacks that is to be trained.

    Args:
        recipe: Its tables, not yet resolved.
        registry: Supplies the components.
        accelerator: Whether it takes a GPU.

    Raises:
        OptionsError: A component is given an option that it does not have.
    """
    found = Lacks()
    for each in _missing_components(recipe, registry):
        found |= each
    found = found or Lacks(_missing_weights(recipe, registry))
    if "data" in recipe:
        found |= dataset_lacks(recipe["data"], registry)
    if accelerator and not _has_accelerator():
        train = recipe.get("train", {})
        found |= Lacks(
            [
                f"A GPU: {train.get('steps')} steps of {train.get('batch')} images of "
                f"{train.get('crop')} pixels. Small and without one: --scale {SMALL}"
            ]
        )
    return found


def absent(kind: Kind, selection: Selection, registry: Registry) -> Lacks:
    """Explains why a component is not there.

    It is a need where its name is known: from a plugin that can be installed, or from the paper's
    tables. Else it is a fault: the name is misspelled, or of an unknown plugin.
    """
    what, key = f"The {kind} {selection.name!r} is not installed", f"{kind}/{selection.name}"
    apart, known = supplier(kind, selection.name), key in _named_in_tables()
    aside = "".join(f" The plugin {each.distribution} is set aside." for each in registry.notices)
    aside += " TOOLKIT_PLUGINS leaves plugins out." if "TOOLKIT_PLUGINS" in os.environ else ""
    near = did_you_mean(selection.name, [c.name for c in registry.components(kind)], cutoff=0.8)
    if apart and is_installed(apart):
        return Lacks(faults=[f"{what}: its plugin {apart} is there, but not loaded.{aside}"])
    way = how_to_install(kind, selection.name).strip()
    if way and (apart or known or not near):
        return Lacks([f"{what}. {way}"])
    if known and aside:
        return Lacks([f"{what}, or its plugin is not loaded.{aside}"])
    if known:
        return Lacks([f"{what}, and no plugin of the toolkit's supplies it."])
    there = f"Those that there are: toolkit plugins list --kind {kind}"
    return Lacks(faults=[f"There is no {kind} named {selection.name!r}.{near}{aside} {there}"])


def _lacks(kind: Kind, selection: Selection, registry: Registry) -> Lacks:
    """Makes a component, and returns what prevented it."""
    try:
        registry.options(kind, selection)
    except UnknownComponentError:
        return absent(kind, selection, registry)
    try:
        registry.make(kind, selection)
    except OptionsError:
        raise
    except ToolkitError as error:
        _LOG.debug("%s", error, exc_info=error)
        fault = isinstance(error, ComponentError)
        return Lacks(faults=[error.told]) if fault else Lacks([error.told])
    return Lacks()


def _missing_components(recipe: Mapping[str, Any], registry: Registry) -> Iterator[Lacks]:
    for kind, selection in _chosen(recipe):
        if kind == "dataset":
            continue
        try:
            registry.options(kind, selection)
        except UnknownComponentError:
            yield absent(kind, selection, registry)
            continue
        for name in _backbone_of(kind, selection, registry):
            try:
                registry.options("backbone", Selection(use=name))
            except UnknownComponentError:
                yield absent("backbone", Selection(use=name), registry)


def _missing_weights(recipe: Mapping[str, Any], registry: Registry) -> list[str]:
    """Weights of backbones that are missing; others are small, and fetched when they are needed."""
    names = [name for part in _chosen(recipe) for name in _backbone_of(*part, registry)]
    needs = []
    for name in dict.fromkeys([Selection.model_validate(recipe["backbone"]).use, *names]):
        files = registry.weights(registry.find("backbone", name.partition(":")[0]))
        missing = sum(file.size for file in files if not path_of(file).exists())
        if missing:
            needs.append(
                f"The weights of {name} ({missing / 1e9:.1f} GB): toolkit weights fetch "
                f"backbone/{name}"
            )
    return needs


def _chosen(recipe: Mapping[str, Any]) -> Iterator[tuple[Kind, Selection]]:
    for slot, kind in ROW_SLOTS.items():
        if slot == "loss":
            for term in loss_tables(recipe.get(slot, {})).values():
                yield kind, LossTerm.model_validate(term).selection
        elif slot in recipe:
            yield kind, Selection.model_validate(recipe[slot])


def _backbone_of(kind: Kind, selection: Selection, registry: Registry) -> list[str]:
    """The backbone that a part names for itself, as its variant."""
    if kind not in ("generator", "discriminator") or not selection.variant:
        return []
    return [selection.variant] if registry.find(kind, selection.name).variant == "backbone" else []


def _has_accelerator() -> bool:
    import torch

    return torch.cuda.is_available()


@functools.cache
def _named_in_tables() -> frozenset[str]:
    """Names of all components in the paper's tables, as `kind/name`."""
    settings, found = read_settings(), set[str]()
    for path in PAPER_TABLES.glob("*.toml"):
        table = read_table(str(path))
        own = (each for row in table.rows for each in (row.recipe, row.small_recipe))
        recipes = [table.common, *own]
        for recipe in recipes:
            found |= {f"{kind}/{selection.name}" for kind, selection in _chosen(recipe)}
        datasets = [table.dataset, *(row.dataset for row in table.rows)]
        found |= {f"dataset/{each.partition(':')[0]}" for each in datasets}
        found |= {f"metric/{settings.metrics.get(name, name)}" for name in table.directions}
    return frozenset(found)
