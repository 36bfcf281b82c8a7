"""A table's result as one self-contained HTML page, which opens without a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from toolkit.runs import Run
from toolkit.tables.measurement import restored_images
from toolkit.tables.rendering.crops import Crops, crops
from toolkit.tables.rendering.plots import colours_of, curve_plot, interval_plot
from toolkit.tables.rendering.text import (
    as_lines,
    claim_reasons,
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


def as_page(result: TableResult) -> str:
    """Renders the page: table, claims, intervals, images side by side, curves of training."""
    parts = [_head(result), _table(result), _notes(result)]
    images: list[Crops] = []
    if isinstance(result, QualityTable):
        images = _crops(result)
        parts += [_claims(result), _intervals(result), _viewer() if images else "", _curves(result)]
    parts.append(_foot(result))
    # "</" would end the script early.
    data = json.dumps([{"name": each.name, **each.images} for each in images]).replace("</", "<\\/")
    title = f"{name_of(result)}: {result.title}"
    page = Template(_TEMPLATE.read_text(encoding="utf-8"))
    return page.substitute(title=escape(title), body="\n".join(filter(None, parts)), crops=data)


def _head(result: TableResult) -> str:
    about, quick = "", ""
    if isinstance(result, QualityTable):
        about = f": {result.about}" if result.about else ""
        quick = " A first look: it answers nothing." if result.quick else ""
    where = escape(f"{result.place}. Scale: {result.setting}{about}.{quick}")
    title = escape(result.title)
    return f"<h1>{escape(name_of(result))}: {title}</h1><p class='soft'>{where}</p>"


def _table(result: TableResult) -> str:
    head, *lines = as_lines(result)
    found = ranks(result)
    cells = "".join(f"<th>{escape(name)}{_arrow(result, name)}</th>" for name in head)
    rows = [f"<tr>{cells}</tr>"]
    for number, (label, *figures) in enumerate(lines):
        row = f"<td>{escape(label)}</td>"
        for column, figure in zip(head[1:], figures, strict=True):
            kind = _CLASSES.get(found.get((number, column), 0), "")
            interval = _interval(result, result.rows[number], column)
            row += f'<td><span class="{kind}">{escape(figure)}</span>{interval}</td>'
        rows.append(f"<tr>{row}</tr>")
    return f'<div class="wide"><table>{"".join(rows)}</table></div>'


def _arrow(result: TableResult, column: str) -> str:
    return {"higher": " ↑", "lower": " ↓"}.get(result.directions.get(column, ""), "")


def _interval(result: TableResult, row: RowResult, column: str) -> str:
    found = row.columns.get(column) if isinstance(row, QualityRow) else None
    if not found or not found.interval:
        return ""
    low, high = (f"{end:.{decimals(result, column)}f}" for end in found.interval)
    return f"<br><small>{low} to {high}</small>"


def _notes(result: TableResult) -> str:
    return _list(more_lines(result)) if more_lines(result) else ""


def _claims(result: QualityTable) -> str:
    if not result.claims:
        return ""
    items = "".join(
        f"<li>{escape(each.claim)}: <span class='outcome'>{escape(each.outcome)}</span> "
        f"<span class='soft'>{escape(claim_reasons(each))}</span></li>"
        for each in result.claims
    )
    return f"<h2>What the paper concludes, tested here</h2><ul>{items}</ul>"


def _intervals(result: QualityTable) -> str:
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
    return _section("Means and 95 % intervals", plots)


def _curves(result: QualityTable) -> str:
    """Curves of the first seed of each row that was trained."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for row in result.rows:
        for folder in row.folders[:1]:
            for step, losses in Run(Path(folder)).read_log():
                for name, value in losses.items():
                    curves = found.setdefault(name, {})
                    curves.setdefault(_named(result, row), []).append((step, value))
    colours = colours_of(_named(result, row) for row in result.rows)
    return _section("Training", [curve_plot(*each, colours) for each in found.items()])


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


def _viewer() -> str:
    choices = "".join(
        f'<label>{text}<select id="{name}"></select></label>'
        for name, text in (("photo", "Photograph"), ("left", "Left"), ("right", "Right"))
    )
    return (
        '<h2>Side by side</h2><div class="viewer"><div class="compare">'
        '<img id="before" alt="left"><img id="after" class="after" alt="right">'
        '<div id="edge" class="edge"></div>'
        '<input id="slider" type="range" min="0" max="100" value="50" '
        'aria-label="Where the images meet">'
        f'</div><div class="choices">{choices}</div></div>'
    )


def _foot(result: TableResult) -> str:
    facts = [result.how]
    if isinstance(result, QualityTable):
        facts += [result.statistics.interval, result.statistics.tests]
    facts += [f"{name} {value}" for name, value in result.environment.items()]
    return f"<h2>How</h2>{_list(facts)}"


def _list(lines: Sequence[str]) -> str:
    return f"<ul class='soft'>{''.join(f'<li>{escape(each)}</li>' for each in lines)}</ul>"


def _named(result: QualityTable, row: QualityRow) -> str:
    several = len(set(map(dataset_of, result.rows))) > 1
    return f"{row.label}, {row.dataset}" if several else row.label


def _section(title: str, plots: Sequence[str]) -> str:
    if not plots:
        return ""
    figures = "".join(f"<figure style='margin:0'>{plot}</figure>" for plot in plots)
    return f'<h2>{escape(title)}</h2><div class="plots">{figures}</div>'
