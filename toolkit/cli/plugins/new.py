"""`toolkit plugins new`: writes a new plugin package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.output import Format, load_registry, show_json
from toolkit.component import KINDS
from toolkit.errors import UsageError


def new(
    name: Annotated[str, typer.Argument(help="Name of the package, such as toolkit-sharp.")],
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Kind of a component that it supplies; may be repeated. Or: all."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder in which the package is created.")] = Path(),
    output: Annotated[Format, typer.Option("--format", help="Format of the output.")] = (
        Format.table
    ),
) -> None:
    """Write a package with a working component of each kind, and tests.

    The components are named after the package, without `toolkit-`. Replace them by your own.

    Examples:
      toolkit plugins new toolkit-sharp --kind loss

      toolkit plugins new toolkit-mine --kind discriminator --kind loss --out ~/code
    """
    from rich.console import Console

    from toolkit.scaffolding import plan_package, write_package

    if not kind:
        raise UsageError(
            "Say what the package supplies.",
            f"For example: toolkit plugins new {name} --kind loss. Kinds: {', '.join(KINDS)}.",
        )
    plan = plan_package(name, kind, load_registry())
    folder = write_package(plan, out)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    if output is Format.json:
        show_json({
            "folder": str(folder),
            "files": [path for path in files if (folder / path).is_file()],
            "components": [{"kind": each, "name": plan.name} for each in plan.kinds],
        })  # fmt: skip
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Wrote {folder}, which supplies {plan.name!r}: {', '.join(plan.kinds)}.")
    console.print("Go on with:")
    steps = [f"cd {folder}", 'pip install -e ".[test]"', "pytest", *plan.commands]
    for step in steps:
        console.print(f"  {step}", markup=False)
