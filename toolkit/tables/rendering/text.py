"""A table's result as lines for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.tables.rendering.claims import (
    DETAILS,
    RANKS,
    claim_lines,
    claim_texts,
    detail_rows,
    explanations,
    rank_rows,
)
from toolkit.tables.result import QualityRow, QualityTable, TableResult, dataset_of, is_papers

_NOTES = 10
"""Number of notes that are shown; the JSON has all."""


def as_lines(result: TableResult) -> list[list[str]]:
    """Renders a head, and a line for each row: figures, with the paper's in brackets.

    References follow below the rows, their labels in brackets.
    """
    present = shown_columns(result)
    lines = [["", *present]]
    digits = {name: decimals(result, name) for name in present}
    for row in result.rows:
        paper = row.paper if is_papers(result) else {}
        cells = (_cell(row.measured.get(n), paper.get(n), digits[n]) for n in present)
        lines.append([row.label, *cells])
    for row in result.references if isinstance(result, QualityTable) else ():
        cells = (_cell(row.measured.get(n), None, digits[n]) for n in present)
        lines.append([f"({row.label})", *cells])
    return lines


def decimals(result: TableResult, column: str) -> int:
    """Number of decimals of a column: as many as one of its figures takes."""
    measured = [row.measured[column] for row in result.rows if column in row.measured]
    return max(map(_decimals, measured), default=0)


def shown_columns(result: TableResult) -> list[str]:
    """The columns in which a row has a figure."""
    shown: set[str] = set()
    for row in result.rows:
        shown |= row.measured.keys()
        shown |= row.paper.keys() if is_papers(result) else set()
    return [name for name in result.directions if name in shown]


def ranks(result: TableResult) -> dict[tuple[int, str], int]:
    """Ranks, 1 for best and 2 for second best, by the number of a row and a column.

    Equal figures share a rank. Rows of several datasets are no rivals; nor is a row alone.
    """
    found: dict[tuple[int, str], int] = {}
    for column, direction in result.directions.items():
        for dataset in set(map(dataset_of, result.rows)):
            rivals = {
                number: row.measured[column]
                for number, row in enumerate(result.rows)
                if dataset_of(row) == dataset and column in row.measured
            }
            order = sorted({*rivals.values()}, reverse=direction == "higher")[:2]
            if len(rivals) > 1:
                for number, figure in rivals.items():
                    if figure in order:
                        found[number, column] = order.index(figure) + 1
    return found


def more_lines(result: TableResult) -> list[str]:
    """Lines on further figures, on what rows need, remarks, and what could not be measured."""
    lines = []
    for row in result.rows:
        more = {name: each for name, each in row.measured.items() if name not in result.directions}
        told = [f"{name} {_figure(each)}" for name, each in more.items()]
        lines += [f"{row.label}: {', '.join(told)}"] if told else []
        lines += [f"{row.label}: {need}" for need in row.needs]
        lines += [f"{row.label}: {row.remark}"] if row.remark else []
    notes = note_lines(result)
    left = [f"… and {len(notes) - _NOTES} more notes"] if len(notes) > _NOTES else []
    return [*lines, *notes[:_NOTES], *left]


def note_lines(result: TableResult) -> list[str]:
    """A line for each thing that could not be measured, with the rows if not all."""
    found: dict[str, list[str]] = {}
    measured = [row for row in result.rows if row.measured and isinstance(row, QualityRow)]
    for row in measured:
        for note in row.notes:
            found.setdefault(note, []).append(row.label)
    return [
        note if len(labels) == len(measured) else f"{', '.join(labels)}: {note}"
        for note, labels in found.items()
    ]


def as_markdown(result: TableResult) -> str:
    """Renders a Markdown page: the table, what rows need, and how it was measured."""
    head, *body = as_lines(result)
    found, stars = ranks(result), {1: "**", 2: "*"}
    for number, line in enumerate(body):
        for place, column in enumerate(head[1:], 1):
            star = stars.get(found.get((number, column), 0), "")
            line[place] = f"{star}{line[place]}{star}"
    lines = [f"# {name_of(result)}: {result.title}", ""]
    lines += [f"Scale: {result.setting}. {legend(result)}", ""]
    lines += [*_grid(head, body), ""]
    items = (*more_lines(result), *claim_lines(result))
    lines += ["- " + line.replace("\n", "  \n  ") for line in items]  # breaks, within the item
    for names, rows in claim_tables(result):
        lines += ["", *_grid(names, rows)]
    for told in explanations(result):
        lines += ["", told]
    return "\n".join([*lines, "", result.how, ""])


def claim_tables(result: TableResult) -> list[tuple[list[str], list[list[str]]]]:
    """Tables of what decided the claims: head and lines, of those that have lines."""
    tables = [(DETAILS, detail_rows(result, _all_decimals(result))), (RANKS, rank_rows(result))]
    return [each for each in tables if each[1]]


def lines_of_claims(result: TableResult) -> list[str]:
    """Lines for a terminal: each claim, and below it what decided it."""
    return claim_texts(result, _all_decimals(result))


def _all_decimals(result: TableResult) -> dict[str, int]:
    return {column: decimals(result, column) for column in result.directions}


def name_of(result: TableResult) -> str:
    """The name of a table."""
    return "Table" if result.number is None else f"Table {result.number}"


def legend(result: TableResult) -> str:
    """Explanation of brackets and marks."""
    marks = "Best and second best are marked."
    if isinstance(result, QualityTable) and result.references:
        marks += " Rows in brackets are for comparison."
    return f"In brackets: the paper's figures. {marks}" if is_papers(result) else marks


def _cell(measured: float | None, paper: float | None, digits: int) -> str:
    own = "–" if measured is None else f"{measured:.{digits}f}"
    return own if paper is None else f"{own} ({_figure(paper)})"


def _figure(value: float) -> str:
    return f"{value:.{_decimals(value)}f}"


def _decimals(value: float) -> int:
    """Number of decimals of a figure: at most three, or four below 1, without trailing zeros."""
    if value >= 1e4:
        return 0
    text = f"{value:.{3 if value >= 1 else 4}f}"
    return len(text.rstrip("0").partition(".")[2])


def _grid(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    return [_line(head), _line(["---", *["---:"] * (len(head) - 1)]), *map(_line, body)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
