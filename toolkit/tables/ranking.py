"""Uncertainty of ranks over trainings and photographs together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.evaluation.comparison import Direction
from toolkit.tables.inference import Array
from toolkit.tables.pairs import Figures, Rows, as_array, pair_of, shared_images
from toolkit.tables.spec import RankClaim

DRAWS = 10_000
_SEED = 0

Cell = tuple[str, str]
"""A dataset and a metric."""


@dataclass(frozen=True)
class RankRange:
    """The rank of a row, or of the best of several rows, by one metric.

    Attributes:
        rank: Its rank, from 1; equal figures share the better one.
        low: The best rank that it may have. All ranges of a claim hold together, at its level.
        high: The worst.
        share: Share of draws in which the claim holds on this metric.
    """

    rank: int
    low: int
    high: int
    share: float


@dataclass(frozen=True)
class RankedRows:
    """Figures of the rows that a claim ranks.

    Attributes:
        labels: The rows.
        cells: Their figures by dataset and metric, of those that all rows have.
        seeds: Seeds that all trained rows have; empty if none is trained.
        needs: Labels of rows that were not measured.
    """

    labels: list[str]
    cells: Mapping[Cell, Sequence[Figures]]
    seeds: Sequence[int | None]
    needs: list[str]

    @property
    def is_testable(self) -> bool:
        """Whether a verdict is possible: with one training it is not."""
        return bool(self.cells) and len(self.seeds) != 1

    @property
    def names(self) -> dict[Cell, str]:
        """What a cell is called: by its metric, and its dataset where there are several."""
        several = len({dataset for dataset, _ in self.cells}) > 1
        return {
            (dataset, metric): f"{metric} on {dataset}" if several else metric
            for dataset, metric in self.cells
        }


@dataclass(frozen=True)
class RankUncertainty:
    """How sure the ranks of a claim are.

    Attributes:
        by_metric: The rank by each metric.
        share: Share of draws in which the claim holds.
        holds: Whether it holds at all ranks within the ranges.
        fails: Whether it fails at all of them.
    """

    by_metric: dict[str, RankRange]
    share: float
    holds: bool
    fails: bool


def rows_of(
    claim: RankClaim, labels: Sequence[str], rows: Rows, metrics: Sequence[str]
) -> RankedRows:
    """Collects what a claim is about.

    Args:
        claim: The claim.
        labels: Labels of the table's rows, measured or not.
        rows: Figures by dataset, label and metric.
        metrics: The columns of claims that name none.
    """
    among = list(claim.labels if claim.among else dict.fromkeys(labels))
    needs = [label for label in among if not any(each.get(label) for each in rows.values())]
    cells = {
        (dataset, metric): [of_dataset[label][metric] for label in among]
        for dataset, of_dataset in rows.items()
        for metric in claim.metrics or metrics
        if all(metric in of_dataset.get(label, {}) for label in among)
    }
    trained = [each for figures in cells.values() for each in figures if None not in each]
    seeds = [seed for seed in (trained or [{}])[0] if all(seed in each for each in trained)]
    if trained and not seeds:
        cells = {}
    cells = {cell: each for cell, each in cells.items() if len(_images(each, seeds)) > 1}
    return RankedRows(among, cells, seeds, needs)


def rank_uncertainty(
    claim: RankClaim,
    ranked: RankedRows,
    rows: Rows,
    directions: Mapping[str, Direction],
    level: float,
) -> RankUncertainty:
    """Ranks the row of a claim in all draws, and with confidence ranges.

    A rank is one more than the number of rows that are shown to be better, at least, and as many as
    are not shown to be worse, at most (M. Mogstad, J. Romano, A. Shaikh and D. Wilhelm, Inference
    for ranks, 2024), by the tests of differences, with Bonferroni's correction for all rows and
    metrics of the claim. The share of draws is no test: of twenty equal rows, each is the best in
    one of twenty draws.

    Args:
        claim: The claim.
        ranked: Its rows, with at least one cell.
        rows: Figures by dataset, label and metric.
        directions: Which is better, by metric.
        level: At which all ranges of the claim hold together.
    """
    members = [ranked.labels.index(label) for label in claim.rank]
    others = [number for number in range(len(ranked.labels)) if number not in members]
    alpha = (1 - level) / max(1, len(members) * len(others) * len(ranked.cells))
    by_metric: dict[str, RankRange] = {}
    held, sure, refuted = [], 0, 0
    for cell, (means, drawn) in _draws(ranked).items():
        sign = 1.0 if directions[cell[1]] == "higher" else -1.0
        labels = [ranked.labels[number] for number in others]
        ahead = _ahead(claim.rank, labels, cell, rows, alpha) * sign
        low = 1 + int((ahead > 0).all(0).sum())
        high = 1 + len(others) - int((ahead < 0).any(0).sum())
        ranks = _ranks(sign * drawn, members, others)
        [rank] = _ranks(sign * means[None], members, others)
        held.append(_holds(claim, ranks))
        ends = _holds(claim, np.array([low, high]))
        sure += bool(ends.all())
        refuted += not ends.any()
        by_metric[ranked.names[cell]] = RankRange(int(rank), low, high, float(held[-1].mean()))
    enough = {"any": 1, "all": len(held), "most": len(held) // 2 + 1}[claim.on]
    share = float((np.sum(held, axis=0) >= enough).mean())
    return RankUncertainty(by_metric, share, sure >= enough, refuted > len(held) - enough)


def _ahead(
    members: Sequence[str], others: Sequence[str], cell: Cell, rows: Rows, alpha: float
) -> Array:
    """Which other rows are shown to have higher figures than a member: 1, 0 or -1 for lower ones.

    Shaped (members, others).
    """
    dataset, metric = cell
    found = np.zeros((len(members), len(others)))
    for number, member in enumerate(members):
        for place, other in enumerate(others):
            pair = pair_of(other, member, metric, dataset, rows[dataset])
            if pair and pair.p < alpha:
                found[number, place] = np.sign(pair.estimate.mean)
    return found


def _draws(ranked: RankedRows) -> dict[Cell, tuple[Array, Array]]:
    """Draws the rows' means as they might be with other trainings and other photographs.

    A multiplier bootstrap: the deviation of each seed and of each photograph is multiplied by a
    normal number of its own, the same for all rows and metrics, and that of a seed for all
    datasets. Divided by a chi-squared number, as in Student's t, sums of few deviations scatter as
    far as is known of them: of two rows that differ by their seeds alone, the share of draws in
    which one is ahead is the one-sided p of the paired t-test.

    Returns:
        By cell, the rows' means, and those of all draws, shaped (draws, rows).
    """
    rng = np.random.default_rng(_SEED)
    seed_factors = _factors(rng, len(ranked.seeds))
    photograph_factors: dict[tuple[str, int], Array] = {}
    found = {}
    for (dataset, metric), figures in ranked.cells.items():
        images = _images(figures, ranked.seeds)
        by_seed = np.zeros((len(figures), len(ranked.seeds)))
        by_photograph = np.zeros((len(figures), len(images)))
        means = np.zeros(len(figures))
        for number, each in enumerate(figures):
            values = as_array(each, [None] if None in each else ranked.seeds, images)
            means[number] = values.mean()
            by_photograph[number] = values.mean(0) - values.mean()
            if None not in each:
                by_seed[number] = values.mean(1) - values.mean()
        key = dataset, len(images)
        if key not in photograph_factors:
            photograph_factors[key] = _factors(rng, len(images))
        drawn = means + seed_factors @ by_seed.T + photograph_factors[key] @ by_photograph.T
        found[dataset, metric] = means, drawn
    return found


def _factors(rng: np.random.Generator, count: int) -> Array:
    """Factors of deviations; 0 for a single one, of whose scatter nothing is known."""
    if count < 2:
        return np.zeros((DRAWS, count))
    spread = np.sqrt((count - 1) / rng.chisquare(count - 1, (DRAWS, 1)))
    normal = rng.standard_normal((DRAWS, count))
    return np.asarray(normal * spread / np.sqrt(count * (count - 1)))


def _images(figures: Sequence[Figures], seeds: Sequence[int | None]) -> list[str]:
    """Photographs that all rows have, with all seeds."""
    known = [shared_images(each, [None] if None in each else seeds) for each in figures]
    return [name for name in known[0] if all(name in other for other in known)]


def _ranks(scores: Array, members: Sequence[int], others: Sequence[int]) -> Array:
    """Rank of the best member in each draw, by how many other rows are better."""
    best = scores[:, members].max(1, keepdims=True)
    return np.asarray(1 + (scores[:, others] > best).sum(1))


def _holds(claim: RankClaim, ranks: Array) -> Array:
    if claim.at_most is not None:
        return np.asarray(ranks <= claim.at_most)
    return np.asarray(ranks >= (claim.at_least or 1))
