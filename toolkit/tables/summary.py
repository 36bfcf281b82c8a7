"""Summary of a table of quality: means and intervals of what was measured, tests, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toolkit.evaluation.comparison import Direction
from toolkit.evaluation.statistics import mean
from toolkit.tables.claims import decide, pairs_of, ranks_of
from toolkit.tables.comparison import differences, mean_interval
from toolkit.tables.measurement import MeasurementResult
from toolkit.tables.pairs import Figures, Rows, as_array, shared_images
from toolkit.tables.planning import PlannedRow, Request
from toolkit.tables.result import (
    ColumnResult,
    QualityRow,
    QualityTable,
    Statistics,
    table_environment,
)

_STATISTICS = Statistics(
    interval="95% of the mean over trainings and photographs (crossed random effects, t interval, "
    "Satterthwaite's degrees of freedom); over photographs alone with one training or none",
    tests="every two rows by every metric, on differences of the same seed and photograph: t-test "
    "with seeds and photographs as crossed random effects, with the seeds' variance over all "
    "trained rows if it is the larger one; corrected (Holm, and simultaneous intervals by "
    "Bonferroni) for all tests of the table's claims, and apart from these for all other "
    "differences; where no row is trained, t-test and Wilcoxon's signed-rank test over photographs "
    "must agree; with one training there is no verdict; ranks by these tests of all rows and "
    "metrics of a claim, and shares of draws of a multiplier bootstrap over seeds and photographs "
    "together",
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
    figures = _rows(request, planned)
    deciding = request.deciding
    labels = [each.row.label for each in planned]
    ranked = ranks_of(table.claims, labels, figures, deciding)
    more = sum(each.is_testable for each in ranked)
    found = differences(figures, directions, pairs_of(table.claims, deciding), more)
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
        claims=decide(table.claims, found, ranked, directions, figures, deciding),
        deciding=deciding,
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
    for column, figures in _figures(planned, metrics).items():
        shared = shared_images(figures)
        if not shared:
            continue
        values = as_array(figures, list(figures), shared)
        images = dict(zip(shared, map(mean, values.T.tolist()), strict=True))
        found[column] = ColumnResult(
            mean=mean(list(images.values())),
            interval=mean_interval(values),
            seeds=list(map(mean, values.tolist())),
            images=images,
            direction=results[0].directions[metrics[column]],
            figures=values.tolist(),
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
        seeds = {each.seed: figures for each in results if (figures := each.figures.get(metric))}
        if seeds:
            found[column] = seeds
    return found


def _rows(request: Request, planned: Sequence[PlannedRow]) -> Rows:
    """Figures by dataset, label and column."""
    found: dict[str, dict[str, dict[str, Figures]]] = {}
    for each in planned:
        figures = {} if each.needs else _figures(each, request.metrics())
        found.setdefault(each.dataset, {})[each.row.label] = figures
    return found
