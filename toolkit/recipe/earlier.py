"""Converts recipes of earlier versions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from toolkit import defaults
from toolkit.errors import EarlierFormWarning
from toolkit.recipe.losses import loss_tables

_MOVED = ("pixel", "perceptual", "further", "pixels_until")


def upgraded(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Converts a recipe's tables to the current format; warns if they are of an earlier one.

    - The losses' weights were in `objective.pixel`, `objective.perceptual` and `objective.further`;
      `objective.pixels_until` was renamed to `objective.first_loss_steps`.
    - Resolved recipes had a copy of the backbone in each part that uses it.
    """
    new = dict(tables)
    backbone = _plain(new.get("backbone"))
    for slot in ("gen", "disc"):
        part = new.get(slot)
        if backbone and isinstance(part, Mapping) and _plain(part.get("backbone")) == backbone:
            new[slot] = {key: value for key, value in part.items() if key != "backbone"}
    objective = new.get("objective")
    if not isinstance(objective, Mapping) or not any(key in objective for key in _MOVED):
        return new
    warnings.warn(
        "The recipe is in the format of an earlier version: weights of losses are now "
        "loss.NAME.weight, and objective.pixels_until is objective.first_loss_steps.",
        EarlierFormWarning,
        stacklevel=2,
    )
    kept = {key: value for key, value in objective.items() if key not in _MOVED}
    if "pixels_until" in objective:
        kept["first_loss_steps"] = objective["pixels_until"]
    return {**new, "loss": _weighted(new.get("loss"), objective), "objective": kept}


def _weighted(loss: Any, objective: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the losses with their weights from the objective; a weight of 0 disabled a loss."""
    losses = loss_tables(defaults.RECIPE["loss"] if loss is None else loss)
    pixels = defaults.PIXEL_LOSS
    for name in list(losses):
        weight = objective.get("pixel" if name == pixels else "perceptual")
        if weight is not None:
            losses[name] = {**losses[name], "weight": weight}
        if weight == 0:
            del losses[name]
    further = objective.get("further", {})
    return losses | {name: {"use": name, "weight": weight} for name, weight in further.items()}


def _plain(backbone: Any) -> Any:
    return {"use": backbone} if isinstance(backbone, str) else backbone
