"""A measured table of quality as a document: figures, intervals, tests, claims, costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from toolkit.bench.pairwise import Direction, Figures, differences, judge
from toolkit.bench.quality import Planned, Request, columns, notes
from toolkit.bench.reports import Entry, document, entry
from toolkit.bench.statistics import LEVEL, RESAMPLES


def quality_document(request: Request, planned: Sequence[Planned]) -> dict[str, Any]:
    """Everything, as plain values."""
    rows = [_entry(request, each) for each in planned]
    directions = {**request.table.better}
    for row in rows:
        directions |= {name: each["direction"] for name, each in row["columns"].items()}
    made = document(request.table, request.scale, rows)
    made |= {
        "about": request.protocol.about,
        "protocol": request.protocol.how or request.table.protocol,
        "tag": request.table.tag,
        "degradation": str(request.degradation or ""),
        "quick": request.quick,
        "columns": {name: directions[name] for name in request.metrics() if name in directions},
        "statistics": {
            "interval": f"{LEVEL:.0%} of the mean over the photographs, BCa bootstrap of "
            f"{RESAMPLES} resamples",
            "tests": "every two rows by every metric, on each photograph's mean over the seeds: "
            "paired bootstrap interval and Wilcoxon's signed-rank test, corrected for all of them "
            "(Bonferroni, Holm); a difference is shown where both agree, and all seeds",
        },
        **_tested(request, planned, directions),
    }
    plain: dict[str, Any] = json.loads(json.dumps(made))  # no tuples
    return plain


def _entry(request: Request, planned: Planned) -> Entry:
    metrics = request.metrics()
    measured = {} if planned.needs else columns(planned, metrics)
    needs = list(planned.needs)
    if not measured:
        needs += planned.failures
        needs = needs or ["It was not measured yet."]
    finished = [job for job in planned.jobs if job.result()]
    return entry(
        planned.row,
        {name: each.mean for name, each in measured.items()},
        needs,
        planned.recipe,
        dataset=planned.dataset,
        tag=request.table.tag,
        seeds=[job.seed for job in finished if job.seed is not None],
        columns={name: asdict(each) for name, each in measured.items()},
        notes=[*notes(planned, metrics), *(planned.failures if measured else ())],
        folders=[str(job.folder) for job in finished],
        photographs=str(finished[0].photographs) if finished else "",
        made_by=dict(finished[0].made_by) if finished else {},
    )


def _tested(
    request: Request, planned: Sequence[Planned], directions: dict[str, Direction]
) -> dict[str, Any]:
    """The tests between rows on the same photographs, and the claims."""
    found = []
    for dataset in dict.fromkeys(each.dataset for each in planned):
        rows = {
            each.row.label: _figures(each, request.metrics())
            for each in planned
            if each.dataset == dataset
        }
        found += differences(rows, directions)
    deciding = request.deciding
    judged = judge(request.table.claims, [each for each in found if each.metric in deciding])
    return {
        "differences": [asdict(each) for each in found],
        "claims": [
            {
                "claim": each.claim.claim,
                "better": each.claim.better,
                "than": each.claim.than,
                "outcome": each.outcome,
                "by_metric": each.by_metric,
            }
            for each in judged
        ],
    }


def _figures(planned: Planned, metrics: dict[str, str]) -> dict[str, Figures]:
    """By column, each seed's figures by photograph."""
    results = [result for job in planned.jobs if (result := job.result())]
    found: dict[str, Figures] = {}
    for column, metric in metrics.items():
        seeds = [figures for each in results if (figures := each["figures"].get(metric))]
        if seeds:
            found[column] = seeds
    return found
