"""Pairs of a table's rows: their figures of the same seeds and photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from toolkit.tables.inference import Array, Estimate, estimate_difference, p_of_difference

Figures = Mapping[int | None, Mapping[str, float]]
"""Figures of one row and one metric: by seed and photograph; the seed of a system that is not
trained here is None."""
Rows = Mapping[str, Mapping[str, Mapping[str, Figures]]]
"""Figures by dataset, label and metric."""
Unit = Literal["trainings and photographs", "photographs"]


@dataclass(frozen=True)
class Pair:
    """Two rows' figures by one metric.

    Attributes:
        here: A row's label.
        there: Another's.
        metric: By which.
        dataset: Of the photographs.
        ours: Figures of `here`, shaped (seeds, photographs).
        theirs: Figures of `there`.
        estimate: Of their mean difference.
        is_trained: Whether a row of the two is trained.
    """

    here: str
    there: str
    metric: str
    dataset: str
    ours: Array
    theirs: Array
    estimate: Estimate
    is_trained: bool

    @property
    def unit(self) -> Unit:
        """What is random."""
        return "trainings and photographs" if len(self.ours) > 1 else "photographs"

    @property
    def is_one_training(self) -> bool:
        """Whether nothing is known of other trainings."""
        return self.is_trained and len(self.ours) == 1

    @property
    def p(self) -> float:
        """Two-sided p, not corrected."""
        return float(p_of_difference(self.ours - self.theirs, self.estimate))


def pair_of(
    here: str,
    there: str,
    metric: str,
    dataset: str,
    rows: Mapping[str, Mapping[str, Figures]],
) -> Pair | None:
    """Pairs the figures of two rows by photograph, and by seed where both are trained.

    The same seed gives both rows the same crops, degradations and first weights.

    Args:
        here: A row's label.
        there: Another's.
        metric: That both rows have.
        dataset: That they are measured on.
        rows: Figures of this dataset, by label and metric.

    Returns:
        The pair; None if they have no seed or no photograph in common.
    """
    ours, theirs = rows[here][metric], rows[there][metric]
    trained = [each for each in (ours, theirs) if None not in each]
    seeds: list[int | None] = [
        seed for seed in (trained or [ours])[0] if all(seed in each for each in trained)
    ]
    if not seeds:
        return None
    own, other = ([None] if None in each else seeds for each in (ours, theirs))
    known = set(shared_images(theirs, other))
    images = [name for name in shared_images(ours, own) if name in known]
    if not images:
        return None
    a, b = np.broadcast_arrays(as_array(ours, own, images), as_array(theirs, other, images))
    alike = None
    if len(trained) == 2 and len(seeds) > 1:
        alike = np.stack(
            [
                as_array(each[metric], seeds, images)
                for each in rows.values()
                if metric in each and _has(each[metric], seeds, images)
            ]
        )
    return Pair(
        here, there, metric, dataset, a, b, estimate_difference(a - b, alike), bool(trained)
    )


def as_array(figures: Figures, seeds: Sequence[int | None], images: Sequence[str]) -> Array:
    """Figures shaped (seeds, photographs)."""
    return np.array([[figures[seed][name] for name in images] for seed in seeds], np.float64)


def shared_images(figures: Figures, seeds: Sequence[int | None] | None = None) -> list[str]:
    """Photographs that have a figure in all seeds, or in those that are named."""
    first, *others = [figures[seed] for seed in (figures if seeds is None else seeds)]
    return [name for name in first if all(name in other for other in others)]


def _has(figures: Figures, seeds: Sequence[int | None], images: Sequence[str]) -> bool:
    return all(seed in figures and figures[seed].keys() >= {*images} for seed in seeds)
