"""What becomes of the paper's claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from toolkit.evaluation.comparison import ALPHA, Direction
from toolkit.tables.comparison import RowDifference, RowVerdict, turned
from toolkit.tables.pairs import Rows
from toolkit.tables.ranking import RankedRows, RankRange, rank_uncertainty, rows_of
from toolkit.tables.spec import AnyClaim, Claim, CostClaim, RankClaim

Outcome = Literal["reproduced", "contradicted", "undecided", "not measured"]


@dataclass(frozen=True)
class ClaimResult:
    """A claim that one row is better than another, with its outcome.

    Attributes:
        claim: In words.
        better: The label of the row that is said to be better.
        than: The label of the other.
        outcome: reproduced, if a metric shows it and none the contrary; contradicted, the other way
            round; undecided, at this number of photographs and seeds; not measured, if a row lacks
            something.
        by_metric: The verdict of each on the row that is said to be better.
        needs: Labels of the rows that were not measured.
    """

    claim: str
    better: str
    than: str
    outcome: Outcome
    by_metric: dict[str, RowVerdict]
    needs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RankResult:
    """A claim on ranks, with its outcome.

    Attributes:
        claim: In words.
        rank: Labels of the row, or of the rows of which the best counts.
        among: Labels of the rows that are ranked.
        at_most: The last rank at which the claim holds on a metric, or None.
        at_least: The first, or None.
        on: On how many metrics it must hold.
        outcome: reproduced, if the claim holds at all ranks that the row may have; contradicted, if
            it fails at all of them; undecided, in between or with one training; not measured, if a
            row lacks something.
        share: Share of draws in which the claim holds, which is no test; None if it was not
            measured.
        level: At which the ranges of the ranks hold together, corrected for all tests of the
            table's claims.
        by_metric: Ranks by metric.
        seeds: Number of seeds that all trained rows have; 0 if none is trained. With 1, nothing is
            known of other trainings, and the claim stays undecided.
        needs: Labels of the rows that were not measured.
    """

    claim: str
    rank: list[str]
    among: list[str]
    at_most: int | None
    at_least: int | None
    on: Literal["most", "all", "any"]
    outcome: Outcome
    share: float | None
    level: float
    by_metric: dict[str, RankRange]
    seeds: int = 0
    needs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class CostResult:
    """A claim on costs, with its outcome; nothing scatters, so it holds or does not.

    Attributes:
        claim: In words.
        less: The label of the row that is said to cost less.
        figure: The figure that is compared.
        limit: Largest share of the others' figures at which the claim holds.
        outcome: reproduced or contradicted; not measured, if a row lacks the figure.
        shares: The row's share of each other's figure, by label.
        needs: Labels of the rows that lack the figure.
    """

    claim: str
    less: str
    figure: str
    limit: float
    outcome: Outcome
    shares: dict[str, float]
    needs: list[str] = field(default_factory=list)


AnyResult = ClaimResult | RankResult


def decide_costs(
    claims: Sequence[AnyClaim], measured: Mapping[str, Mapping[str, float]]
) -> list[CostResult]:
    """Decides the claims on costs.

    Args:
        claims: Of the table.
        measured: Figures of its rows, by label.
    """
    found = []
    for each in claims:
        if not isinstance(each, CostClaim):
            continue
        own = measured.get(each.less, {}).get(each.figure)
        wanted = each.with_figure or each.figure
        others = {label: measured.get(label, {}).get(wanted) for label in each.than}
        needs = [label for label, value in {each.less: own, **others}.items() if value is None]
        shares = {label: own / value for label, value in others.items() if own and value}
        holds = all(share <= each.ratio for share in shares.values())
        outcome: Outcome = "reproduced" if holds else "contradicted"
        outcome = "not measured" if needs else outcome
        found.append(
            CostResult(each.claim, each.less, each.figure, each.ratio, outcome, shares, needs)
        )
    return found


def pairs_of(claims: Sequence[AnyClaim], deciding: Sequence[str]) -> list[tuple[str, str, str]]:
    """What decides the claims on two rows: both labels, and a metric."""
    return [
        (each.better, each.than, metric)
        for each in claims
        if isinstance(each, Claim)
        for metric in deciding
    ]


def ranks_of(
    claims: Sequence[AnyClaim], labels: Sequence[str], rows: Rows, deciding: Sequence[str]
) -> list[RankedRows]:
    """What the claims on ranks are about, in their order.

    Args:
        claims: Of the table.
        labels: Labels of all its rows, measured or not.
        rows: Figures by dataset, label and metric.
        deciding: The columns that decide claims which name no columns.
    """
    return [rows_of(each, labels, rows, deciding) for each in claims if isinstance(each, RankClaim)]


def decide(
    claims: Sequence[AnyClaim],
    found: Sequence[RowDifference],
    ranked: Sequence[RankedRows],
    directions: Mapping[str, Direction],
    rows: Rows,
    deciding: Sequence[str],
) -> list[AnyResult]:
    """Decides the claims, in their order.

    Args:
        claims: Of the table.
        found: Differences of the rows.
        ranked: What `ranks_of` made of these claims.
        directions: Which is better, by metric.
        rows: Figures by dataset, label and metric.
        deciding: The columns that decide claims.
    """
    tests = sum(each.family == "claims" for each in found)
    tests += sum(each.is_testable for each in ranked)
    level = 1 - ALPHA / max(1, tests)
    of_ranks = iter(ranked)
    results: list[AnyResult] = []
    for each in claims:
        if isinstance(each, Claim):
            results.append(_of_two_rows(each, rows, found, deciding))
        elif isinstance(each, RankClaim):
            results.append(_of_rank(each, next(of_ranks), rows, directions, level))
    return results


def claim_differences(
    better: str, than: str, found: Sequence[RowDifference], deciding: Sequence[str]
) -> dict[str, RowDifference]:
    """Differences that decide a claim, from the better row's side, by metric.

    The dataset is named with the metric where there are several.
    """
    chosen = [
        each if each.here == better else turned(each)
        for each in found
        if {each.here, each.there} == {better, than} and each.metric in deciding
    ]
    several = len({each.dataset for each in chosen}) > 1
    return {f"{each.metric} on {each.dataset}" if several else each.metric: each for each in chosen}


def _of_two_rows(
    claim: Claim, rows: Rows, found: Sequence[RowDifference], deciding: Sequence[str]
) -> ClaimResult:
    chosen = claim_differences(claim.better, claim.than, found, deciding)
    verdicts = {name: each.verdict for name, each in chosen.items()}
    needs = _missing(claim.labels, rows)
    outcome: Outcome = "not measured" if needs else _outcome(verdicts)
    return ClaimResult(claim.claim, claim.better, claim.than, outcome, verdicts, needs)


def _of_rank(
    claim: RankClaim,
    ranked: RankedRows,
    rows: Rows,
    directions: Mapping[str, Direction],
    level: float,
) -> RankResult:
    outcome: Outcome = "not measured" if ranked.needs else "undecided"
    known = None
    if ranked.cells and not ranked.needs:
        known = rank_uncertainty(claim, ranked, rows, directions, level)
        if ranked.is_testable and known.holds != known.fails:
            outcome = "reproduced" if known.holds else "contradicted"
    return RankResult(
        claim=claim.claim,
        rank=claim.rank,
        among=ranked.labels,
        at_most=claim.at_most,
        at_least=claim.at_least,
        on=claim.on,
        outcome=outcome,
        share=known.share if known else None,
        level=level,
        by_metric=known.by_metric if known else {},
        seeds=len(ranked.seeds),
        needs=ranked.needs,
    )


def _missing(labels: Sequence[str], rows: Rows) -> list[str]:
    """Labels of rows that have no figure."""
    return [label for label in labels if not any(each.get(label) for each in rows.values())]


def _outcome(verdicts: Mapping[str, RowVerdict]) -> Outcome:
    shown = set(verdicts.values())
    if "better" in shown and "worse" not in shown:
        return "reproduced"
    if "worse" in shown and "better" not in shown:
        return "contradicted"
    return "undecided"
