"""The difference of two rows as an estimate: trainings and photographs are both random.

All functions take arrays with any number of leading axes, so that a simulation tests thousands of
tables at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

POWER = 0.8
"""Power of the difference that could have been detected."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class MeanSquares:
    """Mean squares of seeds times photographs, with one figure for each.

    Attributes:
        mean: Mean of all figures.
        seeds: Mean square of the seeds, 0 for one seed.
        photographs: Mean square of the photographs, 0 for one photograph.
        rest: Mean square of their interaction, 0 for one seed or photograph.
        seed_count: Number of seeds.
        photograph_count: Number of photographs.
    """

    mean: Array
    seeds: Array
    photographs: Array
    rest: Array
    seed_count: int
    photograph_count: int


@dataclass(frozen=True)
class Estimate:
    """An estimated mean.

    Attributes:
        mean: The mean.
        error: Its standard error.
        df: Degrees of freedom of the error; 0 where nothing is known of it.
    """

    mean: Array
    error: Array
    df: Array

    def half_width(self, level: float) -> Array:
        """Half the width of the t interval at a level."""
        from scipy import stats  # type: ignore[import-untyped]

        return np.asarray(stats.t.isf((1 - level) / 2, self.df) * self.error)

    def p(self) -> Array:
        """Two-sided p of the t-test of a mean of zero; 1 where the error is not known."""
        from scipy import stats

        with np.errstate(divide="ignore", invalid="ignore"):
            tested = 2 * stats.t.sf(np.abs(self.mean) / self.error, self.df)
        return np.where(self.mean == 0, 1.0, np.where(self.df > 0, tested, 1.0))


def mean_squares(figures: Array) -> MeanSquares:
    """Computes the mean squares of figures shaped (…, seeds, photographs)."""
    seeds, photographs = figures.shape[-2:]
    by_seed, by_photograph = figures.mean(-1), figures.mean(-2)
    mean = by_seed.mean(-1)
    rest = figures - by_seed[..., None] - by_photograph[..., None, :] + mean[..., None, None]
    return MeanSquares(
        mean,
        photographs * _variance(by_seed),
        seeds * _variance(by_photograph),
        np.square(rest).sum((-2, -1)) / max(1, (seeds - 1) * (photographs - 1)),
        seeds,
        photographs,
    )


def estimate_mean(figures: Array) -> Estimate:
    """Estimates a row's mean over trainings and photographs of the kind that were drawn.

    Seeds and photographs are crossed random effects; the degrees of freedom are Satterthwaite's, as
    in quasi-F tests (H. H. Clark, The language-as-fixed-effect fallacy, 1973). With one seed, which
    is also what a system has that is not trained here, only photographs are random.

    Args:
        figures: Shaped (…, seeds, photographs).
    """
    found = mean_squares(figures)
    total = _total(found)
    seeds, photographs = found.seed_count - 1, found.photograph_count - 1
    parts = (
        (found.seeds, seeds),
        (found.photographs, photographs),
        (found.rest, seeds * photographs),
    )
    spread = sum(np.square(each) / df for each, df in parts if df)
    with np.errstate(invalid="ignore", divide="ignore"):
        df = np.where(np.asarray(spread) > 0, np.square(total) / spread, float(photographs))
    return _estimate(found, total, np.asarray(df if photographs else np.zeros_like(total)))


def estimate_difference(apart: Array, trained: Array | None = None) -> Estimate:
    """Estimates the mean difference of two rows over trainings and photographs.

    The variance is that of `estimate_mean`, made careful in two ways, without which verdicts at the
    corrected levels would be too often false with three seeds
    (`benchmarks/statistics/false_verdicts.py`). Two or four degrees of freedom know little of the
    seeds' variance: if it is smaller than that over all trained rows, the latter takes its place,
    with its degrees of freedom. And in place of Satterthwaite's degrees of freedom there are as
    many as the less known of the two components has.

    Args:
        apart: Differences, shaped (…, seeds, photographs); with one seed, only photographs are
            random.
        trained: Figures of all rows that are trained with these seeds, the two among them, shaped
            (…, rows, seeds, photographs); None if one of the two is not trained.
    """
    found = mean_squares(apart)
    df, photographs = found.seed_count - 1, found.photograph_count - 1
    if trained is not None:
        found = replace(found, seeds=np.maximum(found.seeds, _seeds_of_differences(trained)))
        df *= trained.shape[-3] - 1
    df = min(df, photographs) if found.seed_count > 1 else photographs
    total = _total(found)
    return _estimate(found, total, np.full_like(total, df))


def p_of_difference(apart: Array, estimate: Estimate) -> Array:
    """Two-sided p of a mean difference of zero.

    With one seed, it is that of Wilcoxon's signed-rank test if that is the larger one: differences
    of photographs are skewed, of which a t-test at a corrected level takes no notice.

    Args:
        apart: Differences, shaped (…, seeds, photographs).
        estimate: Their mean by `estimate_difference`.
    """
    p = estimate.p()
    if apart.shape[-2] > 1:
        return p
    from scipy import stats

    differences = apart[..., 0, :]
    are_none = np.asarray(~differences.any(-1, keepdims=True))
    signed = stats.wilcoxon(np.where(are_none, 1.0, differences), axis=-1).pvalue
    return np.asarray(np.where(are_none[..., 0], 1.0, np.maximum(p, signed)))


def detectable_difference(error: float, df: float, level: float) -> float:
    """The true difference that would be shown with 80 % power, at a standard error.

    Args:
        error: The standard error of the difference.
        df: Its degrees of freedom.
        level: The corrected level of the test, such as 0.999.

    Example:
        >>> round(detectable_difference(1.0, 1000, 0.95), 1)  # 1.96 + 0.84 standard errors
        2.8
    """
    from scipy import optimize, stats

    if error == 0:
        return 0.0
    least = float(stats.t.isf((1 - level) / 2, df))
    # The estimated error is this many true errors, in four of five tables at least.
    most = float(np.sqrt(stats.chi2.ppf(0.999, df) / df)) * least + 4
    found = optimize.brentq(lambda true: stats.nct.sf(least, df, true) - POWER, least / 2, most)
    return float(found) * error


def _variance(values: Array) -> Array:
    """Variance over the last axis; 0 for a single value."""
    count = values.shape[-1]
    apart = values - values.mean(-1, keepdims=True)
    return np.asarray(np.square(apart).sum(-1) / max(1, count - 1))


def _seeds_of_differences(trained: Array) -> Array:
    """Mean square of the seeds of the difference of two rows, over all pairs of rows."""
    rows, seeds, photographs = trained.shape[-3:]
    means = trained.mean(-1)
    apart = means - means.mean(-1, keepdims=True) - means.mean(-2, keepdims=True)
    apart = apart + means.mean((-2, -1), keepdims=True)
    return np.asarray(
        2 * photographs * np.square(apart).sum((-2, -1)) / max(1, (rows - 1) * (seeds - 1))
    )


def _total(found: MeanSquares) -> Array:
    """Variance of the mean times the number of figures, not below that of either component."""
    alone = np.maximum(found.seeds, found.photographs)
    return np.asarray(np.maximum(found.seeds + found.photographs - found.rest, alone))


def _estimate(found: MeanSquares, total: Array, df: Array) -> Estimate:
    error = np.sqrt(total / (found.seed_count * found.photograph_count))
    return Estimate(np.asarray(found.mean), error, df)
