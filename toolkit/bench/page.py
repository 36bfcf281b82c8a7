"""A measured table as one self-contained HTML page, which opens without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from toolkit.bench.crops import crops
from toolkit.bench.plots import colours_of, curve_plot, interval_plot
from toolkit.bench.reports import (
    as_lines,
    claim_lines,
    decimals,
    more_lines,
    name_of,
    places,
    shown_columns,
)
from toolkit.runs import Run

_TEMPLATE = Path(__file__).with_name("page.html")
_CLASSES = {1: "best", 2: "second"}
_BETTER = {"higher": "higher is better", "lower": "lower is better"}

Made = Mapping[str, Any]


def as_page(made: Made) -> str:
    """The page: table, claims, intervals, images side by side, curves of training, protocol."""
    images = _crops(made)
    parts = [_head(made), _table(made), _notes(made), _claims(made), _intervals(made)]
    parts += [_viewer() if images else "", _curves(made), _foot(made)]
    # "</" would end the script early.
    data = json.dumps(images).replace("</", "<\\/")
    title = f"{name_of(made)}: {made['title']}"
    page = Template(_TEMPLATE.read_text(encoding="utf-8"))
    return page.substitute(title=escape(title), body="\n".join(filter(None, parts)), crops=data)


def _head(made: Made) -> str:
    quick = " A first look: it answers nothing." if made.get("quick") else ""
    about = f": {made['about']}" if made.get("about") else ""
    where = escape(f"{made['place']}. Scale: {made['scale']}{about}.{quick}")
    return f"<h1>{escape(name_of(made))}: {escape(made['title'])}</h1><p class='soft'>{where}</p>"


def _table(made: Made) -> str:
    head, *lines = as_lines(made)
    marks = places(made)
    cells = "".join(f"<th>{escape(name)}{_arrow(made, name)}</th>" for name in head)
    rows = [f"<tr>{cells}</tr>"]
    for number, (label, *figures) in enumerate(lines):
        row = f"<td>{escape(label)}</td>"
        for column, figure in zip(head[1:], figures, strict=True):
            kind = _CLASSES.get(marks.get((number, column), 0), "")
            interval = _interval(made, number, column)
            row += f'<td><span class="{kind}">{escape(figure)}</span>{interval}</td>'
        rows.append(f"<tr>{row}</tr>")
    return f'<div class="wide"><table>{"".join(rows)}</table></div>'


def _arrow(made: Made, column: str) -> str:
    return {"higher": " ↑", "lower": " ↓"}.get(made["columns"].get(column, ""), "")


def _interval(made: Made, number: int, column: str) -> str:
    interval = made["rows"][number].get("columns", {}).get(column, {}).get("interval")
    if not interval:
        return ""
    low, high = (f"{end:.{decimals(made, column)}f}" for end in interval)
    return f"<br><small>{low} to {high}</small>"


def _notes(made: Made) -> str:
    lines = more_lines(made)
    return (
        f"<ul class='soft'>{''.join(f'<li>{escape(each)}</li>' for each in lines)}</ul>"
        if lines
        else ""
    )


def _claims(made: Made) -> str:
    if not made.get("claims"):
        return ""
    items = []
    for each, line in zip(made["claims"], claim_lines(made), strict=True):
        _, _, detail = line.partition(f"{each['outcome']} ")
        items.append(
            f"<li>{escape(each['claim'])}: <span class='outcome'>{escape(each['outcome'])}</span> "
            f"<span class='soft'>{escape(detail)}</span></li>"
        )
    return f"<h2>What the paper concludes, tested here</h2><ul>{''.join(items)}</ul>"


def _intervals(made: Made) -> str:
    plots = []
    colours = colours_of(_named(made, row) for row in made["rows"])
    for column in shown_columns(made):
        rows = [
            (_named(made, row), found["mean"], found["interval"])
            for row in made["rows"]
            if (found := row.get("columns", {}).get(column))
        ]
        if rows:
            title = f"{column} ({_BETTER[made['columns'][column]]})"
            plots.append(interval_plot(title, rows, colours, decimals(made, column)))
    return _section("Means and 95 % intervals", plots)


def _curves(made: Made) -> str:
    """Of the first seed of each row that was trained."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for row in made["rows"]:
        for folder in row.get("folders", ())[:1]:
            for step, losses in _logged(Run(Path(folder)).log):
                for name, value in losses.items():
                    curves = found.setdefault(name, {})
                    curves.setdefault(_named(made, row), []).append((step, value))
    colours = colours_of(_named(made, row) for row in made["rows"])
    return _section("Training", [curve_plot(*each, colours) for each in found.items()])


def _logged(log: Path) -> Iterator[tuple[int, dict[str, float]]]:
    try:
        lines = log.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        record = json.loads(line)
        yield int(record.pop("step")), record


def _crops(made: Made) -> list[dict[str, str]]:
    """From every system that was measured on the first dataset, its first seed."""
    rows = [row for row in made["rows"] if row.get("folders")]
    if not rows:
        return []
    photographs = Path(rows[0]["photographs"])
    restored = {
        row["label"]: Path(row["folders"][0]) / "restored" / photographs.name
        for row in rows
        if row["photographs"] == rows[0]["photographs"]
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


def _foot(made: Made) -> str:
    facts = [made["protocol"], *made.get("statistics", {}).values()]
    facts += [f"{name} {value}" for name, value in made["environment"].items()]
    return (
        f"<h2>How</h2><ul class='soft'>{''.join(f'<li>{escape(each)}</li>' for each in facts)}</ul>"
    )


def _named(made: Made, row: Made) -> str:
    several = len({each.get("dataset") for each in made["rows"]}) > 1
    return f"{row['label']}, {row['dataset']}" if several else str(row["label"])


def _section(title: str, plots: Sequence[str]) -> str:
    if not plots:
        return ""
    figures = "".join(f"<figure style='margin:0'>{plot}</figure>" for plot in plots)
    return f'<h2>{escape(title)}</h2><div class="plots">{figures}</div>'
