"""Comparison of two systems' figures, image by image: differences, tests, verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from toolkit.evaluation.statistics import Interval, bootstrap_interval, holm, mean, wilcoxon

ALPHA = 0.05
Direction = Literal["higher", "lower"]
"""Whether higher or lower figures of a metric are better."""
Verdict = Literal["better", "worse", "no difference shown"]


@dataclass(frozen=True)
class PairedFigures:
    """Figures of the same images from two systems, in the same order, of at least one image."""

    direction: Direction
    here: Sequence[float]
    there: Sequence[float]


@dataclass(frozen=True)
class Difference:
    """The difference of two systems by one metric: `here` minus `there`.

    Attributes:
        direction: Which is better.
        count: Images.
        here: Mean.
        there: Mean.
        difference: Mean over the images.
        interval: Of the mean difference, at `level`; None for a single image.
        level: Raised by Bonferroni's correction, so that all intervals hold together.
        p: Of the signed-rank test.
        p_corrected: By Holm, over the metrics.
        verdict: On `here`.
    """

    direction: Direction
    count: int
    here: float
    there: float
    difference: float
    interval: Interval | None
    level: float
    p: float
    p_corrected: float
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """Differences from an earlier evaluation.

    Attributes:
        path: The earlier document.
        differences: By metric, of those that both have.
        shared: Images in both.
        only_here: Images that the earlier one lacks.
        only_there: Images that it alone has.
    """

    path: Path
    differences: dict[str, Difference]
    shared: int
    only_here: int
    only_there: int


def compare(paired: Mapping[str, PairedFigures]) -> dict[str, Difference]:
    """Compares metric by metric, with both corrections for their number.

    A verdict needs two witnesses: an interval of the mean difference without zero, and a corrected
    p below 0.05.

    Example:
        >>> worse = [0.20, 0.25, 0.30, 0.35, 0.40, 0.45]
        >>> better = [0.10, 0.14, 0.18, 0.22, 0.26, 0.30]
        >>> compare({"dists": PairedFigures("lower", better, worse)})["dists"].verdict
        'better'
    """
    level = 1 - ALPHA / max(1, len(paired))
    apart = {
        name: [here - there for here, there in zip(each.here, each.there, strict=True)]
        for name, each in paired.items()
    }
    p_values = [wilcoxon(differences) for differences in apart.values()]
    made = {}
    for (name, each), p, corrected in zip(paired.items(), p_values, holm(p_values), strict=True):
        interval = bootstrap_interval(apart[name], level)
        made[name] = Difference(
            direction=each.direction,
            count=len(each.here),
            here=mean(each.here),
            there=mean(each.there),
            difference=mean(apart[name]),
            interval=interval,
            level=level,
            p=p,
            p_corrected=corrected,
            verdict=verdict_of(each.direction, interval, corrected),
        )
    return made


def verdict_of(direction: Direction, interval: Interval | None, p_corrected: float) -> Verdict:
    """The verdict of an interval and a corrected p, which must agree."""
    if interval is None or interval[0] <= 0 <= interval[1] or p_corrected >= ALPHA:
        return "no difference shown"
    rises = interval[0] > 0
    return "better" if rises == (direction == "higher") else "worse"
