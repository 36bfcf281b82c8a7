"""A table's result as one self-contained HTML page, which opens without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toolkit.reporting.pages import as_markup, render
from toolkit.reporting.plots import colours_of, curve_plot, interval_plot
from toolkit.runs import Run
from toolkit.tables.measurement import restored_images
from toolkit.tables.rendering.claims import claim_reasons, explanations
from toolkit.tables.rendering.crops import Crops, crops
from toolkit.tables.rendering.text import (
    as_lines,
    claim_tables,
    decimals,
    more_lines,
    name_of,
    ranks,
    shown_columns,
)
from toolkit.tables.result import QualityRow, QualityTable, RowResult, TableResult, dataset_of

_TEMPLATE = Path(__file__).with_name("page.html")
_CLASSES = {1: "best", 2: "second"}
_BETTER = {"higher": "higher is better", "lower": "lower is better"}
_ARROWS = {"higher": " ↑", "lower": " ↓"}


def as_page(result: TableResult) -> str:
    """Renders the page: table, claims, intervals, images side by side, curves of training."""
    quality = result if isinstance(result, QualityTable) else None
    head, *lines = as_lines(result)
    return render(
        _TEMPLATE,
        title=f"{name_of(result)}: {result.title}",
        where=_where(result),
        head=[name + _ARROWS.get(result.directions.get(name, ""), "") for name in head],
        rows=_rows(result, head, lines),
        notes=more_lines(result),
        claims=_claims(result),
        details=claim_tables(result),
        explanations=explanations(result),
        intervals=as_markup(_intervals(quality)) if quality else [],
        crops=[{"name": e.name, **e.images} for e in _crops(quality)] if quality else [],
        curves=as_markup(_curves(quality)) if quality else [],
        facts=_facts(result),
    )


def _where(result: TableResult) -> str:
    about, quick = "", ""
    if isinstance(result, QualityTable):
        about = f": {result.about}" if result.about else ""
        quick = " A first look: it answers nothing." if result.quick else ""
    return f"{result.place}. Scale: {result.setting}{about}.{quick}"


def _rows(result: TableResult, head: list[str], lines: list[list[str]]) -> list[dict[str, Any]]:
    found, rows = ranks(result), []
    references = result.references if isinstance(result, QualityTable) else []
    shown = [*result.rows, *references]
    for number, (label, *figures) in enumerate(lines):
        cells = [
            {
                "figure": figure,
                "rank": _CLASSES.get(found.get((number, column), 0), ""),
                "interval": _interval(result, shown[number], column),
            }
            for column, figure in zip(head[1:], figures, strict=True)
        ]
        rows.append({"label": label, "cells": cells})
    return rows


def _interval(result: TableResult, row: RowResult, column: str) -> str:
    found = row.columns.get(column) if isinstance(row, QualityRow) else None
    if not found or not found.interval:
        return ""
    low, high = (f"{end:.{decimals(result, column)}f}" for end in found.interval)
    return f"{low} to {high}"


def _claims(result: TableResult) -> list[dict[str, str]]:
    return [
        {"claim": each.claim, "outcome": each.outcome, "reasons": claim_reasons(each)}
        for each in result.claims
    ]


def _intervals(result: QualityTable) -> list[str]:
    plots = []
    colours = colours_of(_named(result, row) for row in result.rows)
    for column in shown_columns(result):
        rows = [
            (_named(result, row), found.mean, found.interval)
            for row in result.rows
            if (found := row.columns.get(column))
        ]
        if rows:
            title = f"{column} ({_BETTER[result.directions[column]]})"
            plots.append(interval_plot(title, rows, colours, decimals(result, column)))
    return plots


def _curves(result: QualityTable) -> list[str]:
    """Curves of the first seed of each row that was trained."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for row in result.rows:
        for folder in row.folders[:1]:
            for step, losses in Run(Path(folder)).read_log():
                for name, value in losses.items():
                    curves = found.setdefault(name, {})
                    curves.setdefault(_named(result, row), []).append((step, value))
    colours = colours_of(_named(result, row) for row in result.rows)
    return [curve_plot(*each, colours) for each in found.items()]


def _crops(result: QualityTable) -> list[Crops]:
    """Crops of the first seed of every row that was measured on the first dataset."""
    rows = [row for row in result.rows if row.folders]
    if not rows:
        return []
    photographs = Path(rows[0].photographs)
    restored = {
        row.label: restored_images(Path(row.folders[0]), photographs)
        for row in rows
        if row.photographs == rows[0].photographs
    }
    return crops(photographs, restored) if (photographs / "hr").is_dir() else []


def _facts(result: TableResult) -> list[str]:
    facts = [result.how]
    if isinstance(result, QualityTable):
        facts += [result.statistics.interval, result.statistics.tests]
    return facts + [f"{name} {value}" for name, value in result.environment.items()]


def _named(result: QualityTable, row: QualityRow) -> str:
    several = len(set(map(dataset_of, result.rows))) > 1
    return f"{row.label}, {row.dataset}" if several else row.label
