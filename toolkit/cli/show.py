"""`toolkit show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.output import Format, load_registry, show_json, working
from toolkit.paths import user_path


def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder.")],
    out: Annotated[
        Path | None,
        typer.Option(parser=user_path, metavar="FILE", help="The page.",
                     show_default="RUN/run.html"),
    ] = None,
    open_it: Annotated[
        bool, typer.Option("--open", help="Open the page in a browser.")
    ] = False,
    output: Annotated[Format, typer.Option("--format", help="Format of the output.")]
    = Format.table,
) -> None:  # fmt: skip
    """Write a page about a run: its state, curves, samples, recipe and use of the hardware.

    The page is a single file that opens without a network. The run may still be training.

    Examples:
      toolkit show runs/first --open

      toolkit show runs/first --out first.html
    """
    registry = load_registry()
    from toolkit.reporting.logs import read_logs
    from toolkit.reporting.run_page import PAGE, write_page
    from toolkit.runs import run_named

    shown = run_named(run, registry)
    with working():
        steps = shown.recipe().train.steps
        page = write_page(shown, out or shown.folder / PAGE, registry)
    step = read_logs(shown).step
    if output is Format.json:
        show_json({
            "run": str(shown.folder), "page": str(page), "step": step, "steps": steps,
            "bytes": page.stat().st_size,
        })  # fmt: skip
    else:
        print(f"{shown.folder}, step {step} of {steps} → {page}")
    if open_it:
        import webbrowser

        webbrowser.open(page.absolute().as_uri())
