"""`toolkit bench`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.output import load_registry, note, show_json, working
from toolkit.cli.progress import counting
from toolkit.paths import user_path

if TYPE_CHECKING:
    from toolkit.bench.quality import Request
    from toolkit.bench.tables import Row, Table
    from toolkit.registry import Registry

Made = dict[str, Any]
"""A measured table, as plain values."""


class Scale(StrEnum):
    """How large the networks are."""

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
        str, typer.Option(metavar="N|FILE", help="A table of the paper, or a file of your own.")
    ],
    scale: Annotated[
        Scale | None,
        typer.Option(help="The paper's own networks, or the small ones that ship; by default the "
                          "small ones where there is no GPU and something is to be trained."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="ROW", help="A row by its label; give it several times for several."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A first look: few steps, few photographs, one seed.")
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How often each row is trained, with other seeds.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Rows at once; by default as many as fit.")
    ] = None,
    work: Annotated[
        Path, typer.Option(parser=user_path, metavar="PATH",
                     help="Where runs, images and scores are kept, for all tables.")
    ] = Path("runs/bench"),
    timed: Annotated[
        bool,
        typer.Option("--time", help="For costs: also time here, beside diffusers' own code."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(parser=user_path, metavar="PATH",
                     help="Folder to write the table to, as JSON, Markdown and HTML.")
    ] = None,
    output: Annotated[
        ReportFormat, typer.Option("--format", help="How to print it.")
    ] = ReportFormat.table,
) -> None:  # fmt: skip
    """Measure a table of the paper, and set it beside the paper's figures.

    A row that cannot be measured says what it needs; nothing is ever filled in. What was measured
    is kept: stopped, it goes on where it was, and a finished table takes seconds. Where a row
    fails or is misspelled, the others are measured all the same, and the command ends with 1.

    Examples:
      toolkit bench --table 3

      toolkit bench --table 6 --quick

      toolkit bench --table 5 --seeds 3 --out results

      toolkit bench --table my.toml --format html > my.html
    """
    from toolkit.bench.tables import read_table, select_rows

    chosen = read_table(table)
    rows = select_rows(chosen, only or [])
    for folder in (out, work if chosen.measures == "quality" else None):
        if folder:
            _check_writable(folder)
    registry = load_registry()
    named: Any = scale.value if scale else _default_scale(chosen)
    if chosen.measures == "complexity":
        made = _costs(chosen, rows, registry, named, timed)
    else:
        from toolkit.bench.quality import Request

        request = Request(chosen, named, work, quick, seeds)
        made = _quality(request, rows, registry, jobs)
    _print(made, output)
    if out:
        _write(out, table_name(table), made)
    if made.get("failed"):
        raise typer.Exit(1)


def table_name(table: str) -> str:
    """What the files of a table are called."""
    return f"table{table}" if table.isdigit() else Path(table).stem


def _default_scale(table: Table) -> Any:
    """Counting costs takes no GPU; training at the paper's scale does."""
    if table.measures == "complexity":
        return "paper"
    import torch

    return "paper" if torch.cuda.is_available() else "pocket"


def _costs(table: Table, rows: list[Row], registry: Registry, scale: Any, timed: bool) -> Made:
    from toolkit.bench.costs import measure_costs
    from toolkit.bench.reports import document, entry

    found, failed = [], 0
    with counting("Measuring") as show:
        for index, row in enumerate(rows):
            show(row.label, index, len(rows))
            figures, lacks = measure_costs(row, registry, scale, timed=timed)
            found.append(entry(row, figures, [*lacks.needs, *lacks.faults]))
            failed += bool(lacks.faults)
    return document(table, scale, found, failed=failed)


def _quality(request: Request, rows: list[Row], registry: Registry, workers: int | None) -> Made:
    from toolkit.bench.quality import plan_rows
    from toolkit.bench.quality_reports import quality_document
    from toolkit.bench.runner import run_jobs, workers_for
    from toolkit.cli.progress import jobs_progress

    with working():
        planned = plan_rows(request, rows, registry)
    failed = sum(bool(each.failures) for each in planned)
    jobs = [job for each in planned for job in each.jobs]
    todo = [job for job in jobs if not job.finished]
    if todo:
        note(f"{len(todo)} of {len(jobs)} runs are to be measured, in {request.work}")
    with jobs_progress(len(todo)) as show:
        failures = run_jobs(todo, workers or workers_for(len(todo)), show)
    for each in planned:
        lost = [job for job in each.jobs if job in failures]
        seeds = ["" if job.seed is None else f"Seed {job.seed}: " for job in lost]
        each.failures += [f"{s}{failures[job]}" for s, job in zip(seeds, lost, strict=True)]
    return {**quality_document(request, planned), "failed": failed + len(failures)}


def _check_writable(folder: Path) -> None:
    from toolkit.errors import UsageError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"Cannot write into {folder}: {error.strerror}.", "Name another: --out DIR, --work DIR"
        ) from None


def _write(out: Path, stem: str, made: Made) -> None:
    import json

    from toolkit.bench.page import as_page
    from toolkit.bench.reports import as_markdown
    from toolkit.weights import write_atomically

    write_atomically(out / f"{stem}.json", (json.dumps(made, indent=2) + "\n").encode())
    write_atomically(out / f"{stem}.md", as_markdown(made).encode())
    write_atomically(out / f"{stem}.html", as_page(made).encode())
    note(f"Written: {out / stem}.json, .md and .html")


def _print(made: Made, output: ReportFormat) -> None:
    from toolkit.bench.reports import as_markdown

    if output is ReportFormat.json:
        show_json(made)
    elif output is ReportFormat.markdown:
        print(as_markdown(made))
    elif output is ReportFormat.html:
        from toolkit.bench.page import as_page

        print(as_page(made))
    else:
        _show(made)


def _show(made: Made) -> None:
    from rich.console import Console
    from rich.table import Table as Grid

    from toolkit.bench.reports import (
        as_lines,
        claim_lines,
        legend,
        more_lines,
        name_of,
        places,
    )

    head, *lines = as_lines(made)
    marks = places(made)
    grid = Grid(title=f"{name_of(made)} ({made['scale']} scale): {made['title']}")
    for number, name in enumerate(head):
        grid.add_column(name, justify="right" if number else "left", no_wrap=True)
    for number, line in enumerate(lines):
        styles = ["", *(_STYLES[marks.get((number, column), 0)] for column in head[1:])]
        grid.add_row(
            *(f"[{s}]{cell}[/]" if s else cell for s, cell in zip(styles, line, strict=True))
        )
    Console().print(grid)
    print(f"{legend(made)}\n")
    print("\n".join((*more_lines(made), *claim_lines(made))))
    print(f"\n{made['protocol']}")


_STYLES = {0: "", 1: "bold red", 2: "blue"}
"""As in the paper."""
