"""A measured table as a document for programs, as lines, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from toolkit.bench.documents import environment
from toolkit.bench.tables import Row, Table

Measured = tuple[dict[str, float], list[str]]
"""Figures by metric, and what is needed where there are none."""


def document(
    table: Table, scale: str, rows: Sequence[Row], measured: Sequence[Measured]
) -> dict[str, Any]:
    """Everything, as plain values."""
    return {
        "table": table.number,
        "title": table.title,
        "place": table.place,
        "scale": scale,
        "protocol": table.protocol,
        "rows": [
            {
                "label": row.label,
                "recipe": row.recipe,
                "status": "needs" if needs else "measured",
                "needs": needs,
                "measured": figures,
                "paper": row.paper,
            }
            for row, (figures, needs) in zip(rows, measured, strict=True)
        ],
        "environment": {**environment(), "torch": version("torch")},
    }


def as_lines(table: Table, made: dict[str, Any]) -> list[list[str]]:
    """A head and a line for each row: what was measured of each metric, (the paper's figure)."""
    present = [
        name
        for name in table.better
        if any(name in row[kind] for row in made["rows"] for kind in ("measured", "paper"))
    ]
    lines = [["", *present]]
    for row in made["rows"]:
        # Figures of another scale are no comparison.
        paper = row["paper"] if made["scale"] == "paper" else {}
        cells = (_cell(row["measured"].get(name), paper.get(name)) for name in present)
        lines.append([row["label"], *cells])
    return lines


def more_lines(table: Table, made: dict[str, Any]) -> list[str]:
    """What else was measured, and what rows need, a line each."""
    lines = []
    for row in made["rows"]:
        more = [f"{k} {_figure(v)}" for k, v in row["measured"].items() if k not in table.better]
        lines += [f"{row['label']}: {', '.join(more)}"] if more else []
        lines += [f"{row['label']}: {need}" for need in row["needs"]]
    return lines


def as_markdown(table: Table, made: dict[str, Any]) -> str:
    """A page with the table, what rows need, and the protocol."""
    head, *body = as_lines(table, made)
    lines = [f"# Table {table.number}: {table.title}", "", f"Scale: {made['scale']}. {LEGEND}", ""]
    lines += [_line(head), _line(["---", *["---:"] * (len(head) - 1)]), *map(_line, body), ""]
    lines += [f"- {line}" for line in more_lines(table, made)]
    return "\n".join([*lines, "", table.protocol, ""])


LEGEND = "In brackets: the paper's figures."


def _cell(measured: float | None, paper: float | None) -> str:
    own = "–" if measured is None else _figure(measured)
    return own if paper is None else f"{own} ({_figure(paper)})"


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 1e4 else f"{value:.3f}".rstrip("0").rstrip(".")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
