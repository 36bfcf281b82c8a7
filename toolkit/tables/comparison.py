"""Comparison of a table's rows with each other, and outcomes of the paper's claims."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from toolkit.evaluation.comparison import Difference, Direction, PairedFigures, Verdict, compare
from toolkit.evaluation.statistics import mean
from toolkit.tables.spec import Claim

Figures = Sequence[Mapping[str, float]]
"""Figures of one row and one metric: for each seed, by image."""
Outcome = Literal["reproduced", "contradicted", "undecided"]


@dataclass(frozen=True)
class RowDifference:
    """The difference of two rows by one metric: `here` minus `there`.

    Attributes:
        here: A row's label.
        there: Another's.
        metric: By which.
        difference: Over the photographs, of each one's mean over the seeds.
        effect: The mean difference in standard deviations of the differences (Cohen's d_z); None
            where they do not vary.
        seeds: The mean difference of each seed; of one where a row is not trained.
        verdict: On `here`; where the seeds disagree on the sign, no difference is shown.
    """

    here: str
    there: str
    metric: str
    difference: Difference
    effect: float | None
    seeds: tuple[float, ...]
    verdict: Verdict


@dataclass(frozen=True)
class ClaimResult:
    """A claim of the paper with its outcome.

    Attributes:
        claim: In words.
        better: The label of the row that is said to be better.
        than: The label of the other.
        outcome: reproduced, if a metric shows it and none the contrary; contradicted, the other way
            round; else undecided, at this number of photographs and seeds.
        by_metric: The verdict of each on the row that is said to be better.
    """

    claim: str
    better: str
    than: str
    outcome: Outcome
    by_metric: dict[str, Verdict]


def differences(
    rows: Mapping[str, Mapping[str, Figures]], directions: Mapping[str, Direction]
) -> list[RowDifference]:
    """Compares every two rows by every metric that both have.

    All of it is one family of tests: intervals and p-values are corrected for all of them.

    Args:
        rows: By label and metric, the figures of each seed.
        directions: Which is better, by metric.
    """
    found: dict[str, tuple[str, str, str, PairedFigures]] = {}
    for here, there in itertools.combinations(rows, 2):
        for metric in (name for name in rows[here] if name in rows[there]):
            images = _shared(rows[here][metric], rows[there][metric])
            if images:
                figures = PairedFigures(
                    directions[metric],
                    _over_seeds(rows[here][metric], images),
                    _over_seeds(rows[there][metric], images),
                )
                found[f"{len(found)}"] = here, there, metric, figures
    compared = compare({key: figures for key, (*_, figures) in found.items()})
    return [
        _difference(here, there, metric, compared[key], rows[here][metric], rows[there][metric])
        for key, (here, there, metric, _) in found.items()
    ]


def decide(claims: Sequence[Claim], found: Sequence[RowDifference]) -> list[ClaimResult]:
    """Decides the claims of which both rows were measured."""
    known: dict[tuple[str, str], dict[str, Verdict]] = {}
    for each in found:
        known.setdefault((each.here, each.there), {})[each.metric] = each.verdict
        known.setdefault((each.there, each.here), {})[each.metric] = _OPPOSITE[each.verdict]
    return [
        ClaimResult(each.claim, each.better, each.than, _outcome(verdicts), verdicts)
        for each in claims
        if (verdicts := known.get((each.better, each.than)))
    ]


_OPPOSITE: dict[Verdict, Verdict] = {
    "better": "worse",
    "worse": "better",
    "no difference shown": "no difference shown",
}


def _outcome(verdicts: Mapping[str, Verdict]) -> Outcome:
    shown = set(verdicts.values())
    if "better" in shown and "worse" not in shown:
        return "reproduced"
    if "worse" in shown and "better" not in shown:
        return "contradicted"
    return "undecided"


def _difference(
    here: str, there: str, metric: str, difference: Difference, ours: Figures, theirs: Figures
) -> RowDifference:
    images = _shared(ours, theirs)
    apart = [
        a - b for a, b in zip(_over_seeds(ours, images), _over_seeds(theirs, images), strict=True)
    ]
    spread = statistics.stdev(apart) if len(apart) > 1 else 0.0
    count = max(len(ours), len(theirs))
    by_seed = [(ours[k % len(ours)], theirs[k % len(theirs)]) for k in range(count)]
    seeds = tuple(mean([a[name] - b[name] for name in images]) for a, b in by_seed)
    agree = all(each > 0 for each in seeds) or all(each < 0 for each in seeds)
    verdict: Verdict = difference.verdict if agree else "no difference shown"
    effect = mean(apart) / spread if spread else None
    return RowDifference(here, there, metric, difference, effect, seeds, verdict)


def _shared(ours: Figures, theirs: Figures) -> list[str]:
    """Photographs that have a figure in every seed of both."""
    first, *others = [*ours, *theirs]
    return [name for name in first if all(name in other for other in others)]


def _over_seeds(figures: Figures, images: Sequence[str]) -> list[float]:
    """Each photograph's mean over the seeds."""
    return [mean([seed[name] for seed in figures]) for name in images]
