"""Claims with their outcomes, and what decided them."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.tables.claims import (
    AnyResult,
    ClaimResult,
    CostResult,
    RankResult,
    claim_differences,
)
from toolkit.tables.comparison import RowDifference
from toolkit.tables.ranking import RankRange
from toolkit.tables.result import QualityTable, TableResult

DETAILS = ["claim", "by", "difference", "interval", "p", "detectable", "verdict"]
"""Head of the table of what decided claims on two rows."""
RANKS = ["claim", "by", "rank", "range", "holds in"]
"""Head of the table of what decided claims on ranks."""


def claims_of(result: TableResult) -> Sequence[AnyResult | CostResult]:
    """The claims of a table, with their outcomes."""
    return result.claims


def claim_lines(result: TableResult) -> list[str]:
    """A line for each claim, with its outcome."""
    return [f"{each.claim}: {each.outcome} {claim_reasons(each)}" for each in claims_of(result)]


def claim_reasons(claim: AnyResult | CostResult) -> str:
    """What decided a claim, in brackets: metrics by verdict, in how many draws it holds, or shares.

    Example:
        >>> claim_reasons(ClaimResult("", "a", "b", "reproduced", {"dists": "better"}))
        '(better by dists)'
        >>> claim_reasons(ClaimResult("", "a", "b", "not measured", {}, ["b"]))
        '(needs b)'
    """
    if claim.needs:
        of = f"{claim.figure} of " if isinstance(claim, CostResult) else ""
        return f"(needs {of}{', '.join(claim.needs)})"
    if isinstance(claim, CostResult):
        shares = ", ".join(f"{share:.1%} of {label}'s" for label, share in claim.shares.items())
        return f"({shares}; at most {claim.limit:.1%})"
    if isinstance(claim, RankResult):
        return f"({_share(claim)})"
    metrics: dict[str, list[str]] = {}
    for name, verdict in claim.by_metric.items():
        metrics.setdefault(verdict, []).append(name)
    told = "; ".join(f"{verdict} by {', '.join(names)}" for verdict, names in metrics.items())
    return f"({told or 'no metric in common'})"


def detail_rows(result: TableResult, decimals: dict[str, int]) -> list[list[str]]:
    """What decided claims on two rows: a line for each claim and metric.

    Args:
        result: The table; results of older versions have no lines.
        decimals: Of each column.
    """
    return [
        [claim.claim, name, *_details(each, decimals[each.metric])]
        for claim in claims_of(result)
        if isinstance(claim, ClaimResult) and isinstance(result, QualityTable)
        for name, each in claim_differences(
            claim.better, claim.than, result.differences, result.deciding
        ).items()
    ]


def rank_rows(result: TableResult) -> list[list[str]]:
    """What decided claims on ranks: a line for each claim and metric."""
    return [
        [claim.claim, name, *_rank(each)]
        for claim in claims_of(result)
        if isinstance(claim, RankResult)
        for name, each in claim.by_metric.items()
    ]


def explanations(result: TableResult) -> list[str]:
    """Explains the columns of both tables, if they have lines."""
    told = []
    if isinstance(result, QualityTable) and detail_rows(result, dict.fromkeys(_metrics(result), 0)):
        levels = {each.difference.level for each in result.differences if each.family == "claims"}
        told.append(
            "Differences are those of the row that is said to be better from the other, with "
            f"intervals that hold together at 95 %{_levels(sorted(levels))}. Detectable is the "
            "true difference that would be shown with 80 % power by this number of seeds and "
            "photographs."
        )
    if rank_rows(result):
        told.append(
            "Ranks are given with the range that they may have with other trainings and "
            "photographs, all ranges of a claim together, and with the share of draws in which the "
            "claim holds, which is no test."
        )
    return told


def claim_texts(result: TableResult, decimals: dict[str, int]) -> list[str]:
    """Lines for a terminal: each claim, and below it what decided it."""
    lines = []
    rows = [*detail_rows(result, decimals), *rank_rows(result)]
    for claim, line in zip(claims_of(result), claim_lines(result), strict=True):
        lines.append(line)
        names = RANKS[2:] if isinstance(claim, RankResult) else DETAILS[2:-1]
        for told, by, *cells in rows:
            if told == claim.claim:
                parts = (f"{n} {c}" for n, c in zip(names, cells, strict=False) if c != "–")
                lines.append(f"    {by}: {', '.join(parts)}")
    return [*lines, *explanations(result)]


def _metrics(result: QualityTable) -> list[str]:
    return [each.metric for each in result.differences]


def _details(each: RowDifference, digits: int) -> list[str]:
    inner = each.difference
    interval = "–"
    if inner.interval:
        low, high = (f"{end:+.{digits}f}" for end in inner.interval)
        interval = f"{low} to {high}"
    found = f"{inner.difference:+.{digits}f}"
    detectable = "–" if each.detectable is None else f"{each.detectable:.{digits}f}"
    p = "–" if each.verdict == "one training" else _p(inner.p_corrected)
    return [found, interval, p, detectable, each.verdict]


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _rank(each: RankRange) -> list[str]:
    return [f"{each.rank}", f"{each.low} to {each.high}", f"{each.share:.1%}"]


def _share(claim: RankResult) -> str:
    if claim.share is None:
        return "no metric in common"
    if claim.seeds == 1:
        return f"one training; holds in {claim.share:.1%} of draws of the photographs"
    return f"holds in {claim.share:.1%} of draws"


def _levels(levels: Sequence[float]) -> str:
    return f" (each at {levels[0]:.2%})" if levels else ""
