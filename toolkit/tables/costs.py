"""Costs of a table's rows, or what they lack."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from toolkit.costs.components import component_costs
from toolkit.errors import ComponentError, UnknownComponentError
from toolkit.registry import Registry
from toolkit.specs import Selection
from toolkit.tables.needs import Lacks, absent
from toolkit.tables.settings import on_backbone_of
from toolkit.tables.spec import PAPER, ROW_SLOTS, Row, SettingName

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RowCosts:
    """Costs of a row by metric; empty where it lacks something."""

    figures: dict[str, float] = field(default_factory=dict)
    lacks: Lacks = field(default_factory=Lacks)


def row_costs(
    row: Row, registry: Registry, setting: SettingName = PAPER, *, timed: bool = False
) -> RowCosts:
    """Counts the costs of a row's first component.

    Args:
        row: Of the table.
        registry: Supplies the component.
        setting: In the small one every backbone is that of the setting.
        timed: Whether generators are timed on this machine, too.
    """
    slot, spec = next(iter(row.recipe.items()))
    kind, selection = ROW_SLOTS[slot], on_backbone_of(Selection.model_validate(spec), setting)
    try:
        registry.find(kind, selection.name)
    except UnknownComponentError:
        return RowCosts(lacks=absent(kind, selection, registry))
    try:
        figures = component_costs(kind, selection, registry, timed=timed)
    except ComponentError as error:
        _LOG.debug("%s", error, exc_info=error)
        return RowCosts(lacks=Lacks(faults=[error.told]))
    if figures is None:
        need = f"The {kind} {selection.use!r} does not name its networks."
        return RowCosts(lacks=Lacks([need]))
    return RowCosts(figures)
