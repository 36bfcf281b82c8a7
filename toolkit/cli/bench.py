"""`toolkit bench`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.output import load_registry, note, show_json, working
from toolkit.cli.progress import counting
from toolkit.paths import user_path

if TYPE_CHECKING:
    from toolkit.registry import Registry
    from toolkit.tables.planning import Request
    from toolkit.tables.result import TableResult
    from toolkit.tables.spec import Row, SettingName, Table


class SettingChoice(StrEnum):
    """How large the networks are, and on what they are measured."""

    paper = "paper"
    pocket = "pocket"


class ReportFormat(StrEnum):
    """How a table is printed."""

    table = "table"
    json = "json"
    markdown = "markdown"
    html = "html"


def bench(
    table: Annotated[
        str, typer.Option(metavar="N|FILE", help="A table of the paper, or a TOML file.")
    ],
    scale: Annotated[
        SettingChoice | None,
        typer.Option(help="The paper's networks, or the small ones that ship.",
                     show_default="pocket if a row must be trained without a GPU, else paper"),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="ROW", help="Label of a row. May be repeated."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Few steps, few photographs, one seed.")
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Number of trainings per row, with different seeds.",
                                  show_default="as the table says")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Number of rows to measure at once.",
                                  show_default="as many as fit")
    ] = None,
    work: Annotated[
        Path, typer.Option(parser=user_path, metavar="PATH",
                     help="Folder of runs, images and scores, shared by all tables.")
    ] = Path("runs/bench"),
    timed: Annotated[
        bool,
        typer.Option("--time", help="For costs: also measure time, beside diffusers."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(parser=user_path, metavar="PATH",
                     help="Folder for the table as JSON, Markdown and HTML.")
    ] = None,
    output: Annotated[
        ReportFormat, typer.Option("--format", help="Format of the output.")
    ] = ReportFormat.table,
) -> None:  # fmt: skip
    """Measure a table of the paper, beside the paper's figures.

    Rows that cannot be measured say what they need. Results are kept, so an interrupted command
    resumes, and a finished table takes seconds. If a row fails or is misspelled, the others are
    still measured, and the exit code is 1.

    Examples:
      toolkit bench --table 3

      toolkit bench --table 6 --quick

      toolkit bench --table 5 --seeds 3 --out results

      toolkit bench --table my.toml --format html > my.html
    """
    from toolkit.files import check_writable
    from toolkit.tables.reading import read_table, select_rows

    chosen = read_table(table)
    rows = select_rows(chosen, only or [])
    for folder in (out, work if chosen.measures == "quality" else None):
        if folder:
            check_writable(
                folder, "Cannot write into", "Name another folder: --out DIR, --work DIR"
            )
    registry = load_registry()
    setting = _setting(chosen, scale)
    if chosen.measures == "complexity":
        result = _costs(chosen, rows, registry, setting, timed)
    else:
        from toolkit.tables.planning import Request

        request = Request(chosen, setting, work, quick, seeds)
        result = _quality(request, rows, registry, jobs)
    _print(result, output)
    if out:
        _write(out, table_name(table), result)
    if result.failed:
        raise typer.Exit(1)


def table_name(table: str) -> str:
    """What the files of a table are called."""
    return f"table{table}" if table.isdigit() else Path(table).stem


def _setting(table: Table, asked: SettingChoice | None) -> SettingName:
    """The one asked for; else the paper's where it takes no GPU, or where there is one."""
    from toolkit.tables.spec import PAPER, SMALL

    if asked is not None:
        return PAPER if asked is SettingChoice.paper else SMALL
    if table.measures == "complexity":
        return PAPER
    import torch

    return PAPER if torch.cuda.is_available() else SMALL


def _costs(
    table: Table, rows: list[Row], registry: Registry, setting: SettingName, timed: bool
) -> TableResult:
    from toolkit.tables.costs import row_costs
    from toolkit.tables.result import costs_table, row_result

    found, failed = [], 0
    with counting("Measuring") as show:
        for index, row in enumerate(rows):
            show(row.label, index, len(rows))
            costs = row_costs(row, registry, setting, timed=timed)
            needs = [*costs.lacks.needs, *costs.lacks.faults]
            found.append(row_result(row, costs.figures, needs))
            failed += bool(costs.lacks.faults)
    return costs_table(table, setting, found, failed)


def _quality(
    request: Request, rows: list[Row], registry: Registry, workers: int | None
) -> TableResult:
    from toolkit.cli.progress import measurements_progress
    from toolkit.tables.planning import note_failures, plan_rows
    from toolkit.tables.run import run_measurements, workers_for
    from toolkit.tables.summary import quality_table

    with working():
        planned = plan_rows(request, rows, registry)
    failed = sum(bool(each.failures) for each in planned)
    measurements = [each for row in planned for each in row.measurements]
    todo = [each for each in measurements if not each.finished]
    if todo:
        note(f"{len(todo)} of {len(measurements)} runs are to be measured, in {request.work}")
    with measurements_progress(len(todo)) as show:
        failures = run_measurements(todo, workers or workers_for(len(todo)), show)
    note_failures(planned, failures)
    return quality_table(request, planned, failed + len(failures))


def _write(out: Path, stem: str, result: TableResult) -> None:
    import json

    from toolkit.files import write_atomically
    from toolkit.tables.rendering.page import as_page
    from toolkit.tables.rendering.text import as_markdown
    from toolkit.tables.result import as_document

    document = json.dumps(as_document(result), indent=2) + "\n"
    write_atomically(out / f"{stem}.json", document.encode())
    write_atomically(out / f"{stem}.md", as_markdown(result).encode())
    write_atomically(out / f"{stem}.html", as_page(result).encode())
    note(f"Written: {out / stem}.json, .md and .html")


def _print(result: TableResult, output: ReportFormat) -> None:
    from toolkit.tables.rendering.text import as_markdown

    if output is ReportFormat.json:
        from toolkit.tables.result import as_document

        show_json(as_document(result))
    elif output is ReportFormat.markdown:
        print(as_markdown(result))
    elif output is ReportFormat.html:
        from toolkit.tables.rendering.page import as_page

        print(as_page(result))
    else:
        _show(result)


def _show(result: TableResult) -> None:
    from rich.console import Console
    from rich.table import Table as Grid

    from toolkit.tables.rendering.text import (
        as_lines,
        legend,
        lines_of_claims,
        more_lines,
        name_of,
        ranks,
    )

    head, *lines = as_lines(result)
    found = ranks(result)
    grid = Grid(title=f"{name_of(result)} ({result.setting} scale): {result.title}")
    for number, name in enumerate(head):
        grid.add_column(name, justify="right" if number else "left", no_wrap=True)
    for number, line in enumerate(lines):
        styles = ["", *(_STYLES[found.get((number, column), 0)] for column in head[1:])]
        grid.add_row(
            *(f"[{s}]{cell}[/]" if s else cell for s, cell in zip(styles, line, strict=True))
        )
    Console().print(grid)
    print(f"{legend(result)}\n")
    print("\n".join((*more_lines(result), *lines_of_claims(result))))
    print(f"\n{result.how}")


_STYLES = {0: "", 1: "bold red", 2: "blue"}
"""As in the paper."""
