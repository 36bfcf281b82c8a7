"""Simulated tables: rows, seeds and photographs that scatter as in a table that was measured."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import stats

from toolkit.evaluation.comparison import ALPHA, Direction
from toolkit.tables.inference import (
    Estimate,
    estimate_difference,
    estimate_mean,
    p_of_difference,
)
from toolkit.tables.ranking import rank_uncertainty, rows_of
from toolkit.tables.spec import RankClaim

RESULTS = Path(__file__).parents[1] / "results"
METRICS = ("niqe", "lpips", "dists")
"""The columns that decide claims at the scale of `pocket`."""

Array = np.ndarray[Any, Any]
Procedure = Literal["trainings", "textbook", "photographs"]
"""`trainings` is the toolkit's. `textbook` has no care for few seeds: the pair's own variance and
Satterthwaite's degrees of freedom. `photographs` ignores the seeds: a paired test on means over the
seeds, with the condition that all seeds agree on the sign."""


@dataclass(frozen=True)
class Scatter:
    """How the figures of one metric scatter in a table.

    Attributes:
        means: Mean of each row.
        seeds: Standard deviation of each row's mean over trainings.
        shared: Share of the seeds' variance that all rows with the same seed have in common.
        photographs: Deviations of rows and photographs, without their means: (rows, photographs).
        rest: Standard deviation of a figure apart from that.
    """

    means: Array
    seeds: Array
    shared: float
    photographs: Array
    rest: float


@dataclass(frozen=True)
class World:
    """A table as a population.

    Attributes:
        name: Of the file of its result.
        claims: Row that is said to be better, and the other, by number.
        words: The claims in words.
        scatter: By metric.
    """

    name: str
    claims: list[tuple[int, int]]
    words: list[str]
    scatter: dict[str, Scatter]

    @property
    def tests(self) -> int:
        """Number of tests of its claims."""
        return len(self.claims) * len(self.scatter)


def read_world(
    name: str,
    *,
    rest_share: float = 0.5,
    equal_rows: bool = False,
    rows: list[str] | None = None,
) -> World:
    """Estimates the scatter from a committed result.

    Args:
        name: Of its file, without suffix. If it has no claims, there is one for every two rows.
        rest_share: Share of the variance of the photographs' differences that is each training's
            own, where the result does not have the figures of each seed.
        equal_rows: Whether all rows scatter alike with the seed. The rows' own estimates of three
            seeds differ by more than the rows do.
        rows: Labels of the rows to keep. Rows with fewer trainings than others are left out.
    """
    document = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    kept = [
        row
        for row in document["rows"]
        if row["columns"] and row["label"] in (rows or [row["label"]])
    ]
    seeds = max(len(row["seeds"]) for row in kept)
    kept = [row for row in kept if len(row["seeds"]) == seeds]
    labels = [row["label"] for row in kept]
    claims = [
        each
        for each in document["claims"] or _all_pairs(labels)
        if each.get("better") in labels and each.get("than") in labels
    ]
    return World(
        name,
        [(labels.index(each["better"]), labels.index(each["than"])) for each in claims],
        [each["claim"] for each in claims],
        {
            metric: _scatter([row["columns"][metric] for row in kept], rest_share, equal_rows)
            for metric in METRICS
        },
    )


def _all_pairs(labels: list[str]) -> list[dict[str, str]]:
    return [
        {"claim": f"{one} beats {other}", "better": one, "than": other}
        for one, other in itertools.combinations(labels, 2)
    ]


def _scatter(columns: list[dict[str, Any]], rest_share: float, equal_rows: bool) -> Scatter:
    by_seed = np.array([each["seeds"] for each in columns])
    rows, seeds = by_seed.shape
    means = by_seed.mean(1)
    spread, shared = np.zeros(rows), 0.0
    if seeds > 1:
        spread = by_seed.std(1, ddof=1)
        of_seed = rows * by_seed.mean(0).var(ddof=1)
        apart = by_seed - means[:, None] - by_seed.mean(0) + by_seed.mean()
        of_both = np.square(apart).sum() / ((rows - 1) * (seeds - 1))
        shared = float(np.clip((of_seed - of_both) / (of_seed + (rows - 1) * of_both), 0, 0.9))
    else:
        rest_share = 0.0
    images = np.array([list(each["images"].values()) for each in columns])
    images = images - images.mean(0) - images.mean(1, keepdims=True) + images.mean()
    count = images.shape[1]
    variance = np.square(images).sum() / ((rows - 1) * (count - 1))
    if seeds > 1 and all(each.get("figures") for each in columns):
        figures = np.array([each["figures"] for each in columns])
        own = figures - figures.mean(1, keepdims=True) - figures.mean(2, keepdims=True)
        own = own + figures.mean((1, 2), keepdims=True)
        rest = np.square(own).sum() / (rows * (seeds - 1) * (count - 1))
        rest_share = min(1.0, rest / seeds / variance)
    return Scatter(
        means,
        np.full(rows, np.sqrt(np.square(spread).mean())) if equal_rows else spread,
        shared,
        # Removing the means has made the deviations smaller.
        images * np.sqrt((1 - rest_share) * rows / (rows - 1) * count / (count - 1)),
        float(np.sqrt(rest_share * seeds * variance)),
    )


def draw(
    scatter: Scatter, tables: int, seeds: int, rng: np.random.Generator, *, effect: float = 0.0
) -> Array:
    """Draws figures shaped (tables, rows, seeds, photographs).

    Photographs are drawn from those of the result, with replacement, so that differences of rows
    are as skewed as they are; seeds are normal.

    Args:
        scatter: Of the metric.
        tables: Number of tables.
        seeds: Number of trainings of a row.
        rng: Source of random numbers.
        effect: Factor of the differences of the rows; 0 for no difference, 1 for those found.
    """
    rows, photographs = scatter.photographs.shape
    own = rng.standard_normal((tables, rows, seeds)) * np.sqrt(1 - scatter.shared)
    common = rng.standard_normal((tables, 1, seeds)) * np.sqrt(scatter.shared)
    of_seed = scatter.seeds[:, None] * (own + common)
    chosen = rng.integers(photographs, size=(tables, photographs))
    of_photograph = scatter.photographs[:, chosen].transpose(1, 0, 2)
    rest = rng.standard_normal((tables, rows, seeds, photographs)) * scatter.rest
    means = effect * scatter.means[:, None, None]
    return np.asarray(means + of_seed[..., None] + of_photograph[:, :, None] + rest)


def differences(figures: Array, here: int, there: int, procedure: Procedure) -> Estimate:
    """Estimates the difference of two rows in all tables."""
    apart = figures[:, here] - figures[:, there]
    if procedure == "trainings":
        return estimate_difference(apart, figures)
    if procedure == "textbook":
        return estimate_mean(apart)
    found = estimate_mean(apart.mean(1, keepdims=True))
    signs = np.sign(apart.mean(2))
    agree = np.abs(signs.sum(1)) == signs.shape[1]
    return Estimate(np.where(agree, found.mean, 0.0), found.error, found.df)


def verdicts(
    world: World,
    tables: int,
    seeds: int,
    rng: np.random.Generator,
    procedures: tuple[Procedure, ...] = ("trainings",),
    *,
    effect: float = 0.0,
) -> dict[Procedure, Array]:
    """Verdicts of all claims: -1, 0 or 1 for worse, none and better: (tables, claims, metrics).

    A verdict needs the simultaneous interval without zero, so Holm's p, which is smaller than
    Bonferroni's, never decides alone.
    """
    found = {each: np.zeros((tables, len(world.claims), len(world.scatter))) for each in procedures}
    for metric, scatter in enumerate(world.scatter.values()):
        figures = draw(scatter, tables, seeds, rng, effect=effect)
        for claim, (better, than) in enumerate(world.claims):
            for each in procedures:
                estimate = differences(figures, better, than, each)
                apart = figures[:, better] - figures[:, than]
                p = p_of_difference(apart, estimate) if each == "trainings" else estimate.p()
                shown = p * world.tests < ALPHA
                found[each][:, claim, metric] = -np.sign(estimate.mean) * shown  # lower is better
    return found


def outcomes(found: Array) -> Array:
    """Outcomes of claims: -1 contradicted, 0 undecided, 1 reproduced: (tables, claims)."""
    better, worse = (found > 0).any(2), (found < 0).any(2)
    return np.asarray(np.where(better & ~worse, 1, np.where(worse & ~better, -1, 0)))


def rank_verdicts(
    world: World, tables: int, seeds: int, at_most: int, on: Literal["most", "all", "any"]
) -> Array:
    """Verdicts of a claim on the rank of the first row, decided as the toolkit decides it.

    Args:
        world: The table, in which all rows are made equal.
        tables: Number of tables.
        seeds: Number of trainings of a row; 0 if no row is trained.
        at_most: The last rank at which the claim holds.
        on: On how many metrics.
    """
    rng = np.random.default_rng(seeds)
    labels = [str(number) for number in range(len(next(iter(world.scatter.values())).means))]
    claim = RankClaim(claim="It is in front", rank=["0"], at_most=at_most, on=on)
    directions: dict[str, Direction] = dict.fromkeys(world.scatter, "lower")
    drawn = {name: draw(each, tables, max(1, seeds), rng) for name, each in world.scatter.items()}
    found = np.zeros(tables)
    names: list[int | None] = list(range(seeds)) or [None]
    for table in range(tables):
        rows = {
            label: {
                metric: {
                    seed: {str(k): float(v) for k, v in enumerate(figures[table, number, place])}
                    for place, seed in enumerate(names)
                }
                for metric, figures in drawn.items()
            }
            for number, label in enumerate(labels)
        }
        ranked = rows_of(claim, labels, {"": rows}, list(drawn))
        known = rank_uncertainty(claim, ranked, {"": rows}, directions, 1 - ALPHA)
        found[table] = int(known.holds) - int(known.fails)
    return found


def rate(happened: Array) -> dict[str, float]:
    """A rate with its 95 % Monte-Carlo interval (Clopper and Pearson, 1934)."""
    count, total = int(happened.sum()), happened.size
    interval = stats.binomtest(count, total).proportion_ci()
    return {"rate": count / total, "low": float(interval.low), "high": float(interval.high)}
