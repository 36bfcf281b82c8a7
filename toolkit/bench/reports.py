"""A measured table as a document for programs, as lines, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from toolkit.bench.documents import environment
from toolkit.bench.tables import Row, Table

_NOTES = 10
"""How many notes are shown; the JSON has all."""
Entry = dict[str, Any]
"""A row of a document."""


def entry(
    row: Row,
    figures: Mapping[str, float],
    needs: Sequence[str],
    recipe: Mapping[str, Any] | None = None,
    **more: Any,
) -> Entry:
    """A row: measured, or what it needs.

    Args:
        row: From the table.
        figures: By metric.
        needs: What is needed where there are none.
        recipe: Its parts at the scale, if they are not the row's own.
        more: What else is known of it.
    """
    return {
        "label": row.label,
        "recipe": dict(row.recipe if recipe is None else recipe),
        "status": "needs" if needs else "measured",
        "needs": list(needs),
        "measured": dict(figures),
        "paper": row.paper,
        **more,
    }


def document(table: Table, scale: str, rows: Sequence[Entry], **more: Any) -> dict[str, Any]:
    """Everything, as plain values."""
    return {
        "table": table.number,
        "title": table.title,
        "place": table.place,
        "scale": scale,
        "protocol": table.protocol,
        "columns": dict(table.better),
        "rows": list(rows),
        **more,
        "environment": {**environment(), "torch": version("torch")},
    }


def as_lines(made: Mapping[str, Any]) -> list[list[str]]:
    """A head and a line for each row: what was measured of each metric, (the paper's figure)."""
    present = shown_columns(made)
    lines = [["", *present]]
    digits = {name: decimals(made, name) for name in present}
    for row in made["rows"]:
        # Figures of another scale are no comparison.
        paper = row["paper"] if made["scale"] == "paper" else {}
        cells = (_cell(row["measured"].get(n), paper.get(n), digits[n]) for n in present)
        lines.append([row["label"], *cells])
    return lines


def decimals(made: Mapping[str, Any], column: str) -> int:
    """How many all figures of a column are shown with: as many as one of them takes."""
    measured = [row["measured"][column] for row in made["rows"] if column in row["measured"]]
    return max((len(_figure(each).partition(".")[2]) for each in measured), default=0)


def shown_columns(made: Mapping[str, Any]) -> list[str]:
    """The columns in which a row has a figure."""
    kinds = ("measured", "paper") if made["scale"] == "paper" else ("measured",)
    return [
        name
        for name in made["columns"]
        if any(name in row[kind] for row in made["rows"] for kind in kinds)
    ]


def places(made: Mapping[str, Any]) -> dict[tuple[int, str], int]:
    """Where a row is best, 1, or second best, 2, of those measured: by its number and a column.

    Equal figures share a place. Rows of several datasets are no rivals; nor is a row alone.
    """
    found: dict[tuple[int, str], int] = {}
    rows = list(enumerate(made["rows"]))
    for column, direction in made["columns"].items():
        for dataset in {row.get("dataset") for _, row in rows}:
            rivals = {
                number: row["measured"][column]
                for number, row in rows
                if row.get("dataset") == dataset and column in row["measured"]
            }
            order = sorted({*rivals.values()}, reverse=direction == "higher")[:2]
            if len(rivals) > 1:
                places = {n: order.index(each) + 1 for n, each in rivals.items() if each in order}
                found |= {(number, column): place for number, place in places.items()}
    return found


def more_lines(made: Mapping[str, Any]) -> list[str]:
    """What else was measured, what rows need, and what could not be measured of them."""
    lines = []
    for row in made["rows"]:
        more = [f"{k} {_figure(v)}" for k, v in row["measured"].items() if k not in made["columns"]]
        lines += [f"{row['label']}: {', '.join(more)}"] if more else []
        lines += [f"{row['label']}: {need}" for need in row["needs"]]
    notes = note_lines(made)
    more = [f"… and {len(notes) - _NOTES} more notes"] if len(notes) > _NOTES else []
    return [*lines, *notes[:_NOTES], *more]


def note_lines(made: Mapping[str, Any]) -> list[str]:
    """What could not be measured of rows that were, a line each, with the rows if not all."""
    found: dict[str, list[str]] = {}
    measured = [row for row in made["rows"] if row["measured"]]
    for row in measured:
        for note in row.get("notes", ()):
            found.setdefault(note, []).append(row["label"])
    return [
        note if len(labels) == len(measured) else f"{', '.join(labels)}: {note}"
        for note, labels in found.items()
    ]


def as_markdown(made: Mapping[str, Any]) -> str:
    """A page with the table, what rows need, and the protocol."""
    head, *body = as_lines(made)
    marks, stars = places(made), {1: "**", 2: "*"}
    for number, line in enumerate(body):
        for place, column in enumerate(head[1:], 1):
            star = stars.get(marks.get((number, column), 0), "")
            line[place] = f"{star}{line[place]}{star}"
    lines = [f"# {name_of(made)}: {made['title']}", ""]
    lines += [f"Scale: {made['scale']}. {legend(made)}", ""]
    lines += [_line(head), _line(["---", *["---:"] * (len(head) - 1)]), *map(_line, body), ""]
    told = (*more_lines(made), *claim_lines(made))
    lines += ["- " + line.replace("\n", "  \n  ") for line in told]  # breaks, within the item
    return "\n".join([*lines, "", made["protocol"], ""])


def name_of(made: Mapping[str, Any]) -> str:
    """What a table is called."""
    return f"Table {made['table']}" if made["table"] is not None else "Table"


def claim_lines(made: Mapping[str, Any]) -> list[str]:
    """What became of the paper's claims, a line each."""
    lines = []
    for each in made.get("claims", ()):
        verdicts: dict[str, list[str]] = {}
        for name, verdict in each["by_metric"].items():
            verdicts.setdefault(verdict, []).append(name)
        told = "; ".join(f"{verdict} by {', '.join(them)}" for verdict, them in verdicts.items())
        lines.append(f"{each['claim']}: {each['outcome']} ({told})")
    return lines


def legend(made: Mapping[str, Any]) -> str:
    """What the figures' form means."""
    marks = "Best and second best are marked."
    return f"In brackets: the paper's figures. {marks}" if made["scale"] == "paper" else marks


def _cell(measured: float | None, paper: float | None, places: int) -> str:
    own = "–" if measured is None else f"{measured:.{places}f}"
    return own if paper is None else f"{own} ({_figure(paper)})"


def _figure(value: float) -> str:
    if value >= 1e4:
        return f"{value:.0f}"
    return f"{value:.{3 if value >= 1 else 4}f}".rstrip("0").rstrip(".")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
