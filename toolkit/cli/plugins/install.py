"""`toolkit plugins freeze` and `toolkit plugins install`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.output import Format, load_registry, note, show_json
from toolkit.errors import DataError, ToolkitError, UsageError

FormatOption = Annotated[Format, typer.Option("--format", help="Format of the output.")]


def freeze(output: FormatOption = Format.table) -> None:
    """Print the installed plugins as lines of a requirements file.

    The plugins that always come with the toolkit are left out.

    Example: toolkit plugins freeze > plugins.txt
    """
    from toolkit.distributions import suppliers
    from toolkit.suppliers import APART

    found = [s for s in suppliers(load_registry()) if not s.own or s.name in APART]
    if output is Format.json:
        show_json([{"name": s.name, "requirement": s.requirement} for s in found])
        return
    for supplier in found:
        print(supplier.requirement)
    if not found:
        note("No plugins are installed beside those that come with the toolkit.")


def install(
    packages: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PACKAGE]...", help="Names, files, folders or addresses."),
    ] = None,
    requirements: Annotated[
        Path | None, typer.Option("-r", "--requirements", help="A file from `plugins freeze`.")
    ] = None,
    editable: Annotated[
        Path | None, typer.Option("-e", "--editable", help="A folder that you work on.")
    ] = None,
    upgrade: Annotated[
        bool, typer.Option("-U", "--upgrade", help="Replace older versions.")
    ] = False,
) -> None:
    """Install plugins into the environment of the toolkit, by pip or uv.

    The versions of the toolkit and of PyTorch are kept. Afterwards, plugins that cannot be used are
    named.

    Examples:
      toolkit plugins install toolkit-sharp

      toolkit plugins install -r plugins.txt
    """
    from toolkit.installing import install

    if requirements and not requirements.is_file():
        raise DataError(
            f"There is no file {requirements}.",
            "Write one before you replace the environment: toolkit plugins freeze > plugins.txt",
        )
    arguments = [*(packages or []), *(["-U"] if upgrade else [])]
    arguments += ["-r", str(requirements)] if requirements else []
    arguments += ["-e", str(editable)] if editable else []
    if not packages and not requirements and not editable:
        raise UsageError(
            "Say what to install.",
            "For example: toolkit plugins install toolkit-sharp, or -r plugins.txt.",
        )
    before = {each["name"]: each for each in _listed()}
    install(arguments)
    new = [each for each in _listed() if each != before.get(each["name"])]
    for each in new:
        _show_change(each)
    if faulty := [each["name"] for each in new if not each["healthy"]]:
        raise ToolkitError(
            f"Set aside: {', '.join(faulty)}.", "To see why: toolkit plugins list --debug"
        )


def _listed() -> list[dict[str, Any]]:
    """Returns the distributions as a new process finds them."""
    command = [sys.executable, "-m", "toolkit", "plugins", "list", "--format", "json"]
    done = subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - no shell
    listed: list[dict[str, Any]] = json.loads(done.stdout)["distributions"]
    return listed


def _show_change(distribution: dict[str, Any]) -> None:
    label = f"{distribution['name']} {distribution['version']}"
    if distribution["healthy"]:
        print(f"Installed {label} with {distribution['components']} components.")
    else:
        print(f"Installed {label}, which cannot be used: {distribution['fault']}.")
