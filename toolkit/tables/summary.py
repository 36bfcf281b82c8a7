"""Summary of a table of quality: means and intervals of what was measured, tests, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toolkit.evaluation.comparison import Direction
from toolkit.evaluation.statistics import LEVEL, RESAMPLES, bootstrap_interval, mean
from toolkit.tables.comparison import Figures, RowDifference, decide, differences
from toolkit.tables.measurement import MeasurementResult
from toolkit.tables.planning import PlannedRow, Request
from toolkit.tables.result import (
    ColumnResult,
    QualityRow,
    QualityTable,
    Statistics,
    table_environment,
)

_STATISTICS = Statistics(
    interval=f"{LEVEL:.0%} of the mean over the photographs, BCa bootstrap of "
    f"{RESAMPLES} resamples",
    tests="every two rows by every metric, on each photograph's mean over the seeds: "
    "paired bootstrap interval and Wilcoxon's signed-rank test, corrected for all of them "
    "(Bonferroni, Holm); a difference is shown where both agree, and all seeds",
)


def quality_table(
    request: Request,
    planned: Sequence[PlannedRow],
    failed: int = 0,
    references: Sequence[PlannedRow] = (),
) -> QualityTable:
    """The result of a table of quality, of all measurements that are finished."""
    table, setting = request.table, request.setting
    rows = [_row(request, each) for each in planned]
    directions: dict[str, Direction] = {**table.directions}
    for row in rows:
        directions |= {name: each.direction for name, each in row.columns.items()}
    found = _differences(request, planned, directions)
    deciding = [each for each in found if each.metric in request.deciding]
    return QualityTable(
        number=table.number,
        title=table.title,
        place=table.place,
        setting=request.setting_name,
        how=setting.how or table.how,
        directions={name: directions[name] for name in request.metrics() if name in directions},
        rows=rows,
        references=[_row(request, each) for each in references],
        environment=table_environment(),
        about=setting.about,
        tag=table.tag,
        degradation=str(request.degradation or ""),
        quick=request.quick,
        statistics=_STATISTICS,
        differences=found,
        claims=decide(table.claims, deciding),
        failed=failed,
    )


def _row(request: Request, planned: PlannedRow) -> QualityRow:
    metrics = request.metrics()
    measured = {} if planned.needs else columns(planned, metrics)
    needs = list(planned.needs)
    if not measured:
        needs += planned.failures
        needs = needs or ["It was not measured yet."]
    finished = [each for each in planned.measurements if each.result()]
    return QualityRow(
        label=planned.row.label,
        recipe=planned.recipe,
        status="needs" if needs else "measured",
        needs=needs,
        measured={name: each.mean for name, each in measured.items()},
        paper=planned.row.paper,
        remark=planned.row.remark,
        dataset=planned.dataset,
        tag=request.table.tag,
        seeds=[each.seed for each in finished if each.seed is not None],
        columns=measured,
        notes=[*notes(planned, metrics), *(planned.failures if measured else ())],
        folders=[str(each.folder) for each in finished],
        photographs=str(finished[0].photographs) if finished else "",
        made_by=finished[0].made_by if finished else None,
    )


def columns(planned: PlannedRow, metrics: Mapping[str, str]) -> dict[str, ColumnResult]:
    """The columns that were measured of a row, over the seeds that are finished."""
    results = _results(planned)
    found = {}
    for column, seeds in _figures(planned, metrics).items():
        shared = [name for name in seeds[0] if all(name in other for other in seeds)]
        if not shared:
            continue
        images = {name: mean([figures[name] for figures in seeds]) for name in shared}
        values = list(images.values())
        found[column] = ColumnResult(
            mean=mean(values),
            interval=bootstrap_interval(values),
            seeds=[mean([figures[name] for name in shared]) for figures in seeds],
            images=images,
            direction=results[0].directions[metrics[column]],
        )
    return found


def notes(planned: PlannedRow, metrics: Mapping[str, str]) -> list[str]:
    """Reasons why something of a row could not be measured."""
    found = [f"{name} was set aside: {reason}" for name, reason in planned.skipped]
    found += [f"{column}: {reason}" for column, reason in planned.absent.items()]
    for result in _results(planned):
        for column, metric in metrics.items():
            if reason := result.unavailable.get(metric):
                found.append(f"{column}: {reason}")
        found += [f"{metric} of {image}: {why}" for image, metric, why in result.missing]
    return list(dict.fromkeys(found))


def _results(planned: PlannedRow) -> list[MeasurementResult]:
    return [result for each in planned.measurements if (result := each.result())]


def _figures(planned: PlannedRow, metrics: Mapping[str, str]) -> dict[str, Figures]:
    """Figures by column: for each seed, by photograph."""
    results = _results(planned)
    found: dict[str, Figures] = {}
    for column, metric in metrics.items():
        seeds = [figures for each in results if (figures := each.figures.get(metric))]
        if seeds:
            found[column] = seeds
    return found


def _differences(
    request: Request, planned: Sequence[PlannedRow], directions: Mapping[str, Direction]
) -> list[RowDifference]:
    """Differences between rows that are measured on the same photographs."""
    found: list[RowDifference] = []
    for dataset in dict.fromkeys(each.dataset for each in planned):
        rows = {
            each.row.label: _figures(each, request.metrics())
            for each in planned
            if each.dataset == dataset
        }
        found += differences(rows, directions)
    return found
