"""Curves thinned for plots: a few points stand for many steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

Points = Sequence[tuple[int, float]]
"""(step, value), in order."""

POINTS = 120
"""Number of points of a curve that has more; each is the mean of several steps."""


class Thinned(NamedTuple):
    """A point that stands for several steps: the last of them, and their values' mean and ends."""

    step: int
    mean: float
    low: float
    high: float


def thinned(points: Points) -> list[Thinned]:
    """Returns points for a plot; values that are not finite are left out.

    Example:
        >>> thinned([(1, 0.5), (2, float("nan"))])
        [Thinned(step=1, mean=0.5, low=0.5, high=0.5)]
    """
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    size = max(1, len(finite) // POINTS)
    groups = (finite[k : k + size] for k in range(0, len(finite), size))
    return [_point(group) for group in groups]


def smoothed(points: Sequence[Thinned]) -> list[Thinned]:
    """Replaces the means by those over a window around each point, a twelfth of the curve wide."""
    reach = len(points) // 24
    windows = (points[max(0, k - reach) : k + reach + 1] for k in range(len(points)))
    return [
        point._replace(mean=math.fsum(each.mean / len(window) for each in window))
        for point, window in zip(points, windows, strict=True)
    ]


def usual_ends(points: Sequence[Thinned]) -> tuple[float, float]:
    """Returns ends that nine of ten points' values do not exceed: outliers would flatten a plot."""
    lows, highs = sorted(p.low for p in points), sorted(p.high for p in points)
    out = len(points) // 10
    return lows[out], highs[-1 - out]


def _point(group: Points) -> Thinned:
    values = [value for _, value in group]
    # A mean lies between the ends, also where a sum of large values overflows.
    mean = math.fsum(value / len(values) for value in values)
    return Thinned(group[-1][0], mean, min(values), max(values))


def layers_of(
    records: Sequence[tuple[int, Mapping[str, float]]],
) -> tuple[list[int], dict[str, list[float]]]:
    """Thins records of several values each, for a plot of layers; a value that lacks is 0.

    Returns:
        Steps, and the values by name at each of them.
    """
    size = max(1, len(records) // POINTS)
    groups = [records[k : k + size] for k in range(0, len(records), size)]
    names = dict.fromkeys(name for _, values in records for name in values)
    layers = {
        name: [sum(values.get(name, 0.0) for _, values in group) / len(group) for group in groups]
        for name in names
    }
    return [group[-1][0] for group in groups], layers
