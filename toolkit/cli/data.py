"""`toolkit data`: lists datasets, says where to get them, and checks copies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit import defaults
from toolkit.cli.output import Format, load_registry, note, note_all, show_json
from toolkit.component import takes_path
from toolkit.errors import DataError, OptionsError, UnknownComponentError
from toolkit.paths import user_path

if TYPE_CHECKING:
    from toolkit.checking import Checked
    from toolkit.component import Component
    from toolkit.interfaces import Dataset
    from toolkit.registry import Registry

data = typer.Typer(help="List datasets, say where to get them, check a copy.", no_args_is_help=True)

FormatOption = Annotated[Format, typer.Option("--format", help="Format of the output.")]


@data.command("list")
def list_datasets(output: FormatOption = Format.table) -> None:
    """List all datasets and where to get them.

    Example: toolkit data list
    """
    registry = load_registry()
    found = [component for component in registry.components() if component.kind == "dataset"]
    if output is Format.json:
        show_json({"datasets": [_row(component, registry) for component in found]})
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("Name", "What it is", "Licence", "From"):
        table.add_column(column, no_wrap=column == "Name")
    for component in found:
        source = component.origin or registry.provider(component)
        table.add_row(component.name, component.summary, component.licence, source)
    Console().print(table)


@data.command("where")
def where_to_get(
    name: Annotated[str, typer.Argument(help="A dataset, such as realsr.")],
) -> None:
    """Say where to get a dataset.

    Datasets that do not ship cannot be redistributed, or require an agreement with each user, so
    this command downloads nothing.

    Example: toolkit data where realsr
    """
    registry = load_registry()
    component = registry.find("dataset", name)
    if component.origin:
        raise DataError(
            f"{name} is not downloaded by this command. Licence: {component.licence}.",
            f"{component.origin}. Then: toolkit data check DIR --as {name}",
        )
    note(f"{name} needs no download: it comes with {registry.provider(component)}.")


@data.command("check")
def check(
    folder: Annotated[
        Path, typer.Argument(parser=user_path, metavar="PATH", help="Folder of the dataset.")
    ],
    kind: Annotated[
        str, typer.Option("--as", help="Name of the dataset.", show_default="by its files")
    ] = "",
    output: FormatOption = Format.table,
) -> None:
    """Check a dataset: counts, sizes, pairs, damaged files.

    Without --as, a folder with the name of a dataset is checked as that one, a folder of pairs as
    pairs, any other as photographs.

    Examples:
      toolkit data check data/realsr

      toolkit data check ~/photos --as folder
    """
    from toolkit.checking import check_dataset
    from toolkit.cli.progress import counting

    found, dataset = _open(folder, kind, load_registry())
    with counting("Reading") as tell:
        checked = check_dataset(dataset, tell)
    if output is Format.json:
        show_json({"as": found, "folder": str(folder), **_document(checked)})
    else:
        _print(found, checked)
    if checked.faults:
        raise typer.Exit(1)


def _open(folder: Path, kind: str, registry: Registry) -> tuple[str, Dataset]:
    """Opens a folder as the dataset it looks like."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", "Name the folder of a dataset.")
    if kind:
        return kind, _made(kind, folder, registry)
    names = {each.name for each in registry.components() if each.kind == "dataset"}
    if folder.name in names and takes_path(registry.find("dataset", folder.name)):
        try:
            return folder.name, _made(folder.name, folder, registry)
        except DataError as error:
            others = "If it is another of the same name: --as pairs, or --as folder"
            raise DataError(str(error), f"{error.hint}\n{others}") from None
    for name in defaults.FOLDERS:
        try:
            return name, _made(name, folder, registry)
        except (DataError, UnknownComponentError) as error:
            last = error
    raise last


def _made(name: str, folder: Path, registry: Registry) -> Dataset:
    from toolkit.specs import Selection

    component = registry.find("dataset", name)
    if not takes_path(component):
        raise OptionsError(f"The dataset {name} is not in a folder of yours.", "Leave out --as.")
    dataset: Dataset = registry.make("dataset", Selection(use=f"{name}:{folder}"))
    return dataset


def _row(component: Component, registry: Registry) -> dict[str, Any]:
    return {
        "name": component.name,
        "summary": component.summary,
        "licence": component.licence,
        "origin": component.origin,
        "distribution": registry.provider(component),
    }


def _document(checked: Checked) -> dict[str, Any]:
    return {
        "count": checked.count,
        "expected": checked.expected,
        "pairs": checked.pairs,
        "smallest": list(checked.smallest),
        "largest": list(checked.largest),
        "faults": [{"file": name, "reason": reason} for name, reason in checked.faults],
    }


def _print(found: str, checked: Checked) -> None:
    what = f"{checked.pairs} pairs" if checked.pairs else f"{checked.count} photographs"
    sizes = "{} x {} to {} x {} px".format(*checked.smallest, *checked.largest)
    print(f"As {found}: {what}, {sizes}.")
    if checked.faults:
        note_all("Not as it should be:", checked.faults, limit=50)
    else:
        print("Nothing is wrong with it.")
