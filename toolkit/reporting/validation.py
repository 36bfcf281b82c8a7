"""Figures of validation: which of them is the best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal

from toolkit.component import Context, Supply
from toolkit.errors import ToolkitError
from toolkit.reporting.curves import Points
from toolkit.specs import Selection

Direction = Literal["higher", "lower"]


def directions(names: Iterable[str], registry: Supply | None) -> dict[str, Direction]:
    """Returns which figures are better, for each name that is an installed metric's."""
    known: dict[str, Direction] = {}
    if registry is None:
        return known
    for name in names:
        with suppress(ToolkitError, ValueError):
            metric = registry.make("metric", Selection(use=name), Context(registry))
            known[name] = metric.direction
    return known


def best_point(points: Points, direction: Direction | None) -> tuple[int, float] | None:
    """Returns the best point, the first of equal ones; None if the direction is unknown.

    Example:
        >>> best_point([(100, 0.4), (200, 0.3), (300, 0.35)], "lower")
        (200, 0.3)
    """
    finite = [point for point in points if math.isfinite(point[1])]
    if direction is None or not finite:
        return None
    sign = 1 if direction == "lower" else -1
    return min(finite, key=lambda point: sign * point[1])


def summaries(curves: Mapping[str, Points], known: Mapping[str, Direction]) -> list[dict[str, Any]]:
    """Returns for each figure its last value, the best one and its step."""
    rows = []
    for name, points in curves.items():
        best = best_point(points, known.get(name))
        rows.append({
            "name": name,
            "better": known.get(name, ""),
            "last": f"{points[-1][1]:.4g}",
            "best": f"{best[1]:.4g}" if best else "",
            "step": best[0] if best else None,
        })  # fmt: skip
    return rows
