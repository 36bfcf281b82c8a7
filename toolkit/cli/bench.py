"""`toolkit bench`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.output import load_registry, note, show_json
from toolkit.cli.progress import counting

if TYPE_CHECKING:
    from toolkit.bench.tables import Row, Table
    from toolkit.registry import Registry


class Scale(StrEnum):
    """How large the networks are."""

    paper = "paper"
    pocket = "pocket"


class ReportFormat(StrEnum):
    """How a table is printed."""

    table = "table"
    json = "json"
    markdown = "markdown"


def bench(
    table: Annotated[
        str, typer.Option(metavar="N|FILE", help="A table of the paper, or a file of your own.")
    ],
    scale: Annotated[
        Scale, typer.Option(help="The paper's own networks, or the small ones that ship.")
    ] = Scale.paper,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="ROW", help="A row by its label; give it several times for several."),
    ] = None,
    timed: Annotated[
        bool,
        typer.Option("--time", help="Also time on this machine, beside diffusers' own code."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write the table to, as JSON and Markdown.")
    ] = None,
    output: Annotated[
        ReportFormat, typer.Option("--format", help="How to print it.")
    ] = ReportFormat.table,
) -> None:
    """Measure a table of the paper, and set it beside the paper's figures.

    A row that cannot be measured says what it needs; nothing is ever filled in.

    Examples:
      toolkit bench --table 3

      toolkit bench --table 3 --only dfosd --time --format json
    """
    from toolkit.bench.tables import read_table, select_rows

    chosen = read_table(table)
    rows = select_rows(chosen, only or [])
    if out:
        _check_out(out)
    from toolkit.bench.reports import as_markdown, document

    measured = _measure(rows, load_registry(), scale.value, timed)
    made = document(chosen, scale.value, rows, measured)
    if out:
        _write(out, chosen, made, as_markdown(chosen, made))
    if output is ReportFormat.json:
        show_json(made)
    elif output is ReportFormat.markdown:
        print(as_markdown(chosen, made))
    else:
        _show(chosen, made)


def _measure(
    rows: list[Row], registry: Registry, scale: Any, timed: bool
) -> list[tuple[dict[str, float], list[str]]]:
    from toolkit.bench.costs import measure_costs

    found = []
    with counting("Measuring") as show:
        for index, row in enumerate(rows):
            show(row.label, index, len(rows))
            found.append(measure_costs(row, registry, scale, timed=timed))
    return found


def _check_out(out: Path) -> None:
    from toolkit.errors import UsageError

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"Cannot write into {out}: {error.strerror}.", "Name another folder: --out DIR"
        ) from None


def _write(out: Path, table: Table, made: dict[str, Any], markdown: str) -> None:
    import json

    from toolkit.weights import write_atomically

    stem = f"table{table.number}"
    write_atomically(out / f"{stem}.json", (json.dumps(made, indent=2) + "\n").encode())
    write_atomically(out / f"{stem}.md", markdown.encode())
    note(f"Written: {out / stem}.json, {out / stem}.md")


def _show(table: Table, made: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table as Grid

    from toolkit.bench.reports import LEGEND, as_lines, more_lines

    head, *lines = as_lines(table, made)
    grid = Grid(title=f"Table {table.number} ({made['scale']} scale): {table.title}")
    for number, name in enumerate(head):
        grid.add_column(name, justify="right" if number else "left", no_wrap=True)
    for line in lines:
        grid.add_row(*line)
    Console().print(grid)
    print(f"{LEGEND}\n")
    print("\n".join(more_lines(table, made)))
    print(f"\n{table.protocol}")
