"""Statistics: intervals of means, and tests of differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95
RESAMPLES = 10_000
SEED = 0
_CHUNK = 1_000_000  # drawn at once: 8 MB of places and as much of values

Interval = tuple[float, float]


def mean(values: Sequence[float]) -> float:
    """Mean, without rounding on the way.

    Example:
        >>> mean([0.1] * 10)
        0.1
    """
    return math.fsum(values) / len(values)


def bootstrap_interval(
    values: Sequence[float], level: float = LEVEL, resamples: int = RESAMPLES
) -> Interval | None:
    """Interval of the mean, by resampling: bias-corrected and accelerated (BCa), always the same.

    Unlike the plain percentiles, BCa follows a skewed sample, as figures of images often are.
    B. Efron, Better bootstrap confidence intervals, 1987; of few images it is too narrow, as every
    bootstrap.

    Args:
        values: One figure an image.
        level: Share of such intervals that hold the true mean.
        resamples: How many samples are drawn with replacement.

    Returns:
        Low and high end; None for a single value, of which nothing is known.

    Example:
        >>> low, high = bootstrap_interval([1.0, 2.0, 3.0, 4.0])
        >>> 1 < low < 2.5 < high < 4
        True
        >>> bootstrap_interval([1.0])
    """
    import numpy as np

    if len(values) < 2:
        return None
    middle = mean(values)
    apart = np.asarray(values, np.float64) - middle
    spread = float(np.square(apart).sum())
    if max(values) == min(values) or spread == 0:
        return middle, middle
    means = _resampled_means(apart, resamples)
    # Resamples that are the sample in another order differ from it by rounding alone.
    rounding = 1e-12 * math.sqrt(spread)
    share = np.mean(means < -rounding) + np.mean(abs(means) <= rounding) / 2
    normal = NormalDist()
    bias = normal.inv_cdf(min(max(float(share), 0.5 / resamples), 1 - 0.5 / resamples))
    acceleration = float((apart**3).sum()) / (6 * spread**1.5)
    ends = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        place = bias + normal.inv_cdf(tail)
        ends.append(normal.cdf(bias + place / (1 - acceleration * place)))
    low, high = np.quantile(means, ends)
    return middle + float(low), middle + float(high)


def _resampled_means(values: np.ndarray[Any, Any], resamples: int) -> np.ndarray[Any, Any]:
    """Means of samples with replacement, drawn in chunks that bound the memory."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    count = len(values)
    rows = max(1, _CHUNK // count)
    return np.concatenate(
        [
            values[rng.integers(count, size=(min(rows, resamples - done), count))].mean(axis=1)
            for done in range(0, resamples, rows)
        ]
    )


def wilcoxon(differences: Sequence[float]) -> float:
    """Two-sided p of the signed-rank test: could such differences be centred on zero?

    Differences of zero are left out, as Wilcoxon did; where all are zero, p is 1.

    Example:
        >>> wilcoxon([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])  # 2 of 2**6 signs are as extreme
        0.03125
        >>> wilcoxon([0.0, 0.0])
        1.0
    """
    if not any(differences):
        return 1.0
    from scipy import stats  # type: ignore[import-untyped]

    return float(stats.wilcoxon(differences).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number: S. Holm, A simple sequentially rejective test, 1979.

    Example:
        >>> holm([0.01, 0.5, 0.02])
        [0.03, 0.5, 0.04]
    """
    corrected = [1.0] * len(p_values)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, p_values[place] * (len(p_values) - rank)))
        corrected[place] = least
    return corrected


def images_needed(tests: int, alpha: float = 0.05) -> int:
    """Fewest images with which the corrected signed-rank test can show anything at all.

    Its least p is that of n differences of one sign, 2 / 2**n.

    Example:
        >>> images_needed(1), images_needed(5)
        (6, 8)
    """
    return math.floor(1 + math.log2(tests / alpha)) + 1
