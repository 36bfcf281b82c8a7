"""Differences of a table's rows, tested over trainings and photographs."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from toolkit.evaluation.comparison import ALPHA, Difference, Direction, Verdict, verdict_of
from toolkit.evaluation.statistics import LEVEL, Interval, holm, images_needed
from toolkit.tables.inference import Array, detectable_difference, estimate_mean
from toolkit.tables.pairs import Pair, Rows, Unit, pair_of

RowVerdict = Literal["better", "worse", "no difference shown", "one training"]
Family = Literal["claims", "exploration"]


@dataclass(frozen=True)
class RowDifference:
    """The difference of two rows by one metric: `here` minus `there`.

    Attributes:
        here: A row's label.
        there: Another's.
        metric: By which.
        difference: The mean difference; its interval and p are of a population of `unit`.
        effect: The mean difference in standard deviations of the photographs' differences (Cohen's
            d_z); None where they do not vary.
        seeds: The mean difference of each seed; of one where neither row is trained.
        verdict: On `here`; `one training`, if a row is trained and the two share a single seed: its
            weights may differ, but nothing is known of other trainings.
        dataset: The dataset of the photographs.
        family: What it is corrected with: all tests of claims, or all others.
        unit: What is random: photographs alone, if neither row is trained or with one training.
        error: Standard error of the difference.
        df: Degrees of freedom of the error.
        detectable: The true difference that would be shown with 80 % power at `difference.level`;
            None if none would be, with one training or so few photographs.
    """

    here: str
    there: str
    metric: str
    difference: Difference
    effect: float | None
    seeds: tuple[float, ...]
    verdict: RowVerdict
    dataset: str = ""
    family: Family | None = None
    unit: Unit | None = None
    error: float | None = None
    df: float | None = None
    detectable: float | None = None


def differences(
    rows: Rows,
    directions: Mapping[str, Direction],
    claimed: Collection[tuple[str, str, str]] = (),
    more_tests: int = 0,
) -> list[RowDifference]:
    """Compares every two rows of a dataset by every metric that both have.

    There are two families of tests, each corrected for its number: those that decide claims, and
    all others.

    Args:
        rows: Figures by dataset, label and metric.
        directions: Which is better, by metric.
        claimed: Label, other label and metric of what decides a claim.
        more_tests: Further tests of claims, of other kinds.
    """
    families: dict[Family, list[Pair]] = {"claims": [], "exploration": []}
    pairs = list(_pairs(rows))
    for pair in pairs:
        is_claimed = {(pair.here, pair.there, pair.metric), (pair.there, pair.here, pair.metric)}
        confirms = not is_claimed.isdisjoint(claimed) and not pair.is_one_training
        families["claims" if confirms else "exploration"].append(pair)
    found = {}
    for family, members in families.items():
        more = more_tests if family == "claims" else 0
        for pair, made in zip(members, _tested(members, directions, family, more), strict=True):
            found[id(pair)] = made
    return [found[id(pair)] for pair in pairs]


def turned(found: RowDifference) -> RowDifference:
    """The same difference from the other row's side."""
    inner = found.difference
    return replace(
        found,
        here=found.there,
        there=found.here,
        difference=replace(
            inner,
            here=inner.there,
            there=inner.here,
            difference=-inner.difference,
            interval=inner.interval and (-inner.interval[1], -inner.interval[0]),
            verdict=_OPPOSITE.get(inner.verdict, inner.verdict),
        ),
        effect=None if found.effect is None else -found.effect,
        seeds=tuple(-each for each in found.seeds),
        verdict=_OPPOSITE.get(found.verdict, found.verdict),
    )


def mean_interval(figures: Array) -> Interval | None:
    """The 95 % interval of a row's mean over trainings and photographs.

    Args:
        figures: Shaped (seeds, photographs).

    Returns:
        Low and high end; None for a single photograph.
    """
    found = estimate_mean(figures)
    if not found.df:
        return None
    half = float(found.half_width(LEVEL))
    return float(found.mean) - half, float(found.mean) + half


_OPPOSITE: dict[RowVerdict, Verdict] = {"better": "worse", "worse": "better"}


def _pairs(rows: Rows) -> list[Pair]:
    return [
        pair
        for dataset, of_dataset in rows.items()
        for here, there in itertools.combinations(of_dataset, 2)
        for metric in of_dataset[here]
        if metric in of_dataset[there]
        and (pair := pair_of(here, there, metric, dataset, of_dataset)) is not None
    ]


def _tested(
    pairs: Sequence[Pair], directions: Mapping[str, Direction], family: Family, more: int
) -> list[RowDifference]:
    """Tests a family: Holm's p and Bonferroni's intervals, which hold together."""
    p_values = [each.p for each in pairs]
    corrected = holm([*p_values, *[1.0] * more])[: len(pairs)]
    level = 1 - ALPHA / max(1, len(pairs) + more)
    return [
        _difference(pair, directions[pair.metric], family, level, p, p_corrected)
        for pair, p, p_corrected in zip(pairs, p_values, corrected, strict=True)
    ]


def _difference(
    pair: Pair, direction: Direction, family: Family, level: float, p: float, p_corrected: float
) -> RowDifference:
    apart = pair.ours - pair.theirs
    error, df, middle = (
        float(each) for each in (pair.estimate.error, pair.estimate.df, pair.estimate.mean)
    )
    interval, detectable = None, None
    if df:
        half = float(pair.estimate.half_width(level))
        interval = middle - half, middle + half
        tests = round(ALPHA / (1 - level))
        if pair.unit == "trainings and photographs" or (
            not pair.is_one_training and len(pair.ours[0]) >= images_needed(tests)
        ):
            detectable = detectable_difference(error, df, level)
    verdict = verdict_of(direction, interval, p_corrected)
    by_photograph = apart.mean(0).tolist()
    spread = statistics.stdev(by_photograph) if len(by_photograph) > 1 else 0.0
    return RowDifference(
        pair.here,
        pair.there,
        pair.metric,
        Difference(
            direction=direction,
            count=len(by_photograph),
            here=float(pair.ours.mean()),
            there=float(pair.theirs.mean()),
            difference=middle,
            interval=interval,
            level=level,
            p=p,
            p_corrected=p_corrected,
            verdict=verdict,
        ),
        effect=middle / spread if spread else None,
        seeds=tuple(apart.mean(1).tolist()),
        verdict="one training" if pair.is_one_training else verdict,
        dataset=pair.dataset,
        family=family,
        unit=pair.unit,
        error=error if df else None,
        df=df or None,
        detectable=detectable,
    )
