"""`toolkit bench`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.output import load_registry, note, working
from toolkit.cli.progress import counting
from toolkit.cli.tables import (
    ReportFormat,
    print_documents,
    print_result,
    telling,
    write_result,
)
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


def bench(
    table: Annotated[
        str, typer.Option(metavar="N|FILE", help="A table of the paper, or a TOML file.",
                          show_default=False)
    ] = "",
    all_tables: Annotated[
        bool, typer.Option("--all", help="All tables of the paper, with an index in --out.")
    ] = False,
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
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time for the rows' trainings, such as 3h; "
                                 "it sets the number of steps.")
    ] = None,
    gpu_hours: Annotated[
        float | None, typer.Option(min=0.01, help="The same, in hours of one GPU.")
    ] = None,
    on: Annotated[
        str, typer.Option(metavar="local|ray", help="Where to measure: local, ray, ray:ADDRESS.")
    ] = "local",
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

      toolkit bench --table 5 --budget 3h --seeds 5 --out results

      toolkit bench --table my.toml --format html > my.html

      toolkit bench --all --out results
    """
    from toolkit.restoring.ray_cluster import cluster_named
    from toolkit.tables.reading import names_of_tables, read_table
    from toolkit.tables.rendering.index import write_index

    asked = _Asked(
        scale, only or [], quick, seeds, jobs, _budget(budget, gpu_hours),
        cluster_named(on, None, compare=False), work, timed,
    )  # fmt: skip
    names = names_of_tables() if all_tables else [table]
    _check_names(table, all_tables, only, out)
    results = []
    tables = [read_table(name) for name in names]
    _check_folders(out, work, tables)
    registry = load_registry()
    for name, chosen in zip(names, tables, strict=True):
        result = _result(chosen, asked, registry)
        results.append(result)
        if out:
            write_result(out, table_name(name), result)
        if output is not ReportFormat.json:
            print_result(result, output)
    if output is ReportFormat.json:
        print_documents(results, several=all_tables)
    if all_tables and out:
        note(f"Written: {write_index(out)}")
    if any(result.failed for result in results):
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Asked:
    """What is asked of each table."""

    scale: SettingChoice | None
    only: list[str]
    quick: bool
    seeds: int | None
    workers: int | None
    budget: float | None
    cluster: str | None
    work: Path
    timed: bool


def _check_names(table: str, all_tables: bool, only: list[str] | None, out: Path | None) -> None:
    from toolkit.errors import UsageError

    if bool(table) == all_tables:
        raise UsageError(
            "--table and --all exclude each other." if table else "Say which table.",
            "For example: toolkit bench --table 6; or --all --out results.",
        )
    if all_tables and (only or not out):
        reason = "is for a single table: leave out --only" if only else "needs a folder"
        raise UsageError(f"--all {reason}.", "For example: --all --out results.")


def _check_folders(out: Path | None, work: Path, tables: list[Table]) -> None:
    from toolkit.files import check_writable

    quality = any(table.measures == "quality" for table in tables)
    for folder in (out, work if quality else None):
        if folder:
            check_writable(
                folder, "Cannot write into", "Name another folder: --out DIR, --work DIR"
            )


def _result(chosen: Table, asked: _Asked, registry: Registry) -> TableResult:
    """Measures a table."""
    from toolkit.tables.reading import select_rows

    rows, setting = select_rows(chosen, asked.only), _setting(chosen, asked.scale)
    if chosen.measures == "complexity":
        return _costs(chosen, rows, registry, setting, asked.timed)
    from toolkit.tables.planning import Request

    request = Request(chosen, setting, asked.work, asked.quick, asked.seeds)
    return _quality(request, rows, registry, asked)


def _budget(budget: str | None, gpu_hours: float | None) -> float | None:
    """Returns the seconds that trainings may take."""
    from toolkit.errors import UsageError
    from toolkit.tables.budget import parse_duration

    if budget is not None and gpu_hours is not None:
        raise UsageError("--budget and --gpu-hours exclude each other.", "Give one of them.")
    if gpu_hours is not None:
        import torch

        return gpu_hours * 3600 / max(1, torch.cuda.device_count())
    return parse_duration(budget) if budget is not None else None


def table_name(table: str) -> str:
    """What the files of a table are called."""
    return f"table{table}" if table.isdigit() else Path(table).stem


def _setting(table: Table, asked: SettingChoice | None) -> SettingName:
    """The one asked for; else the paper's where it takes no GPU, or where there is one."""
    from toolkit.tables.spec import PAPER

    if asked is None and table.measures == "complexity":
        return PAPER
    return setting_for(asked)


def setting_for(asked: SettingChoice | None) -> SettingName:
    """The setting asked for; else the paper's if there is a GPU."""
    from toolkit.tables.spec import PAPER, SMALL

    if asked is not None:
        return PAPER if asked is SettingChoice.paper else SMALL
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


def _quality(request: Request, rows: list[Row], registry: Registry, asked: _Asked) -> TableResult:
    from toolkit.tables.quality import measure_table

    with working():
        return measure_table(
            request, rows, registry, telling(request.work),
            workers=asked.workers, budget=asked.budget, cluster=asked.cluster,
        )  # fmt: skip
