"""Tells how the measuring of tables goes on; prints and writes their results."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.output import note, show_json

if TYPE_CHECKING:
    from toolkit.tables.quality import Tell
    from toolkit.tables.result import TableResult


class ReportFormat(StrEnum):
    """How a table is printed."""

    table = "table"
    json = "json"
    markdown = "markdown"
    html = "html"


def telling(work: Path) -> Tell:
    """Returns what prints the progress of measurements in a folder."""
    from toolkit.cli.progress import measurements_progress
    from toolkit.tables.quality import Tell

    def todo(left: int, count: int) -> None:
        note(f"{left} of {count} runs are to be measured, in {work}")

    return Tell(todo, lambda length: note(str(length)), measurements_progress)


def write_result(out: Path, stem: str, result: TableResult) -> None:
    """Writes a table as JSON, Markdown and a page."""
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


def print_documents(results: list[TableResult], *, several: bool) -> None:
    """Prints the JSON of a table, or a list for several."""
    from toolkit.tables.result import as_document

    documents = [as_document(result) for result in results]
    show_json(documents if several else documents[0])


def print_result(result: TableResult, output: ReportFormat) -> None:
    """Prints a table in a format for readers."""
    from toolkit.tables.rendering.text import as_markdown

    if output is ReportFormat.markdown:
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
