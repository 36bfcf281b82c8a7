"""`toolkit weights`: lists, downloads and verifies pretrained weight files."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.output import Format, load_registry, note, show_json
from toolkit.errors import UsageError, WeightsError, did_you_mean
from toolkit.paths import user_path

if TYPE_CHECKING:
    from toolkit.registry import Registry
    from toolkit.weights import Progress, WeightFile

weights = typer.Typer(
    help="List, download and verify pretrained weight files.", no_args_is_help=True
)

FormatOption = Annotated[Format, typer.Option("--format", help="Format of the output.")]

_SECONDS_BETWEEN_LINES = 10.0
_SHORT = 12


@weights.command("list")
def list_files(output: FormatOption = Format.table) -> None:
    """List all weight files: their components, sources, and whether they are cached.

    Example: toolkit weights list
    """
    from toolkit.weights import home, hub_folder

    needed = _needed(load_registry())
    if output is Format.json:
        rows = [_row(file, by) for file, by in needed.items()]
        show_json({
            "folder": str(home() / "weights"), "hub_folder": str(hub_folder()), "files": rows,
        })  # fmt: skip
        return
    width = max((len(file.name) for file in needed), default=0)
    for file, by in needed.items():
        print("\n".join(_lines(file, by, width)))


@weights.command("fetch")
def fetch_files(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="Files or components.", show_default="all but large ones"
        ),
    ] = None,
    place: Annotated[
        Path | None,
        typer.Option(
            "--from",
            parser=user_path,
            metavar="PATH",
            help="Your own copy: the file, its archive, or a folder.",
        ),
    ] = None,
    licences: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-licence",
            metavar="NAME",
            help="Accept a licence that restricts use, such as to non-commercial work; once.",
        ),
    ] = None,
) -> None:
    """Download missing weight files, so that later work needs no network.

    Examples:
      toolkit weights fetch

      toolkit weights fetch loss/dists

      toolkit weights fetch lpips-vgg16.ckpt --from ~/downloads
    """
    from toolkit.weights import accept, fetch_all

    registry = load_registry()
    if licences:
        accept(licences, _needed(registry))
    # Copying a local file is cheap, even for large files.
    files = _chosen(names or [], registry, large=place is not None)
    if not files:
        note("No weight files are needed.")
        return
    if place:
        paths = _supply(place, files, bool(names))
    else:
        with _progress() as show:
            paths = fetch_all(files, progress=show)
    for path in paths:
        print(path)


@weights.command("verify")
def verify_files(output: FormatOption = Format.table) -> None:
    """Verify the SHA-256 of all cached files.

    Example: toolkit weights verify
    """
    from toolkit.weights import State, check, path_of

    files = list(_needed(load_registry()))
    states = {file: check(file) for file in files}
    if output is Format.json:
        rows = [
            {"name": file.name, "path": str(path_of(file)), "state": _verdict(state)}
            for file, state in states.items()
        ]
        show_json({"files": rows})
    else:
        for file, state in states.items():
            place = "" if state is State.missing else f"  {path_of(file)}"
            print(f"{_verdict(state):<7}  {file.name}{place}")
    damaged = [file.name for file, state in states.items() if state is State.damaged]
    if damaged:
        note(f"To fetch again what is damaged: toolkit weights fetch {' '.join(damaged)}")
        raise typer.Exit(1)


def _verdict(state: str) -> str:
    return "ok" if state == "cached" else str(state)


def _needed(registry: Registry) -> dict[WeightFile, list[str]]:
    """Returns all files, with the components that need them as `kind/name`."""
    needed: dict[WeightFile, list[str]] = {}
    for component in registry.components():
        for file in registry.weights(component):
            needed.setdefault(file, []).append(f"{component.kind}/{component.name}")
    return needed


def _chosen(names: Iterable[str], registry: Registry, *, large: bool) -> list[WeightFile]:
    """Returns the files of some names: file names, or components with or without a kind.

    Without a name, all whose licence needs no acceptance; if `large`, also those that are otherwise
    only fetched by name.
    """
    from toolkit.weights import lacking

    needed = _needed(registry)
    components = [f"{each.kind}/{each.name}" for each in registry.components()]
    chosen: dict[WeightFile, None] = {}
    for name in names:
        owners = [each for each in components if name in (each, each.partition("/")[2])]
        files = [file for file, by in needed.items() if name == file.name or {*by} & {*owners}]
        if not files and not owners:
            bare = [each.partition("/")[2] for each in components]
            meant = did_you_mean(name, [*(file.name for file in needed), *bare, *components])
            raise UsageError(
                f"There is no weight file and no component named {name!r}.{meant}",
                "To see all files: toolkit weights list",
            )
        chosen |= dict.fromkeys(files)
    if names:
        return list(chosen)
    withheld = lacking(needed)
    return [file for file in needed if file not in withheld and (large or not file.on_request)]


def _supply(place: Path, files: list[WeightFile], named: bool) -> list[Path]:
    """Takes files from the user's own copy, without any download."""
    from toolkit.weights import path_of, supply

    found = supply(place, files)
    absent = [file for file in files if file not in found]
    if absent and (named or not found):
        listed = "\n".join(f"  {_recognised(file)}" for file in absent)
        raise WeightsError(
            f"{place} does not hold:\n{listed}",
            "Nothing else was asked for them. What each file may come from: toolkit weights list",
        )
    return [path_of(file) for file in found]


def _recognised(file: WeightFile) -> str:
    """Returns a file's name, and what it is recognised by."""
    if file.sha256:
        return f"{file.name}, {file.size} bytes, SHA-256 {file.sha256}"
    return f"{file.name}, as {' or '.join(file.places)}"


def _row(file: WeightFile, needed_by: list[str]) -> dict[str, Any]:
    from dataclasses import asdict

    from toolkit.weights import path_of

    return {
        "name": file.name,
        "path": str(path_of(file)),
        "state": _state(file),
        "size": file.size,
        "sha256": file.sha256,
        "sha256_is_whole": _whole(file),
        "licence": file.licence,
        "restricted": file.restricted,
        "page": file.page,
        "by_name": file.by_name,
        "needed_by": needed_by,
        "sources": [asdict(source) for source in file.sources],
    }


def _lines(file: WeightFile, needed_by: list[str], width: int) -> Iterator[str]:
    """Returns the lines that describe a file."""
    from toolkit.weights import path_of

    digits = f"{file.sha256[:_SHORT]}…" if _whole(file) else f"{file.sha256} (these digits only)"
    digits = digits if file.sha256 else "no SHA-256 "
    size = f"{file.size / 1e6:8.2f} MB"
    yield "  ".join((file.name.ljust(width), size, f"{_state(file):<7}", digits, file.licence))
    own = f"your own copy{f' of {file.page}' if file.page else ''}"
    yield f"    from  {', then '.join(_origins(file)) or own}"
    yield f"    for   {', '.join(needed_by)}"
    if _state(file) != "missing":
        yield f"    at    {path_of(file)}"
    if file.on_request:
        accepting = f" --accept-licence {file.licence}" if file.restricted else ""
        giving = "" if file.sources else " --from FILE"
        yield f"    with  toolkit weights fetch {file.name}{accepting}{giving}"


def _origins(file: WeightFile) -> Iterator[str]:
    from urllib.parse import urlsplit

    from toolkit.weights import Mirrors

    for source in file.sources:
        if isinstance(source, Mirrors):
            for parts in map(urlsplit, source.urls):
                home, on_hub, _ = parts.path.partition("/resolve/")
                yield f"{parts.netloc}{home}" if on_hub else parts.netloc
        else:
            yield source.package


def _whole(file: WeightFile) -> bool:
    return len(file.sha256) == 64


def _state(file: WeightFile) -> str:
    """Returns the state of a file by existence and size, without hashing it."""
    from toolkit.weights import path_of

    path = path_of(file)
    if not path.is_file():
        return "missing"
    same_size = not file.sha256 or path.stat().st_size == file.size
    return "cached" if same_size else "damaged (size)"


@contextmanager
def _progress() -> Iterator[Progress]:
    """Shows a progress bar on a terminal, and occasional lines elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        shown = [time.monotonic()]

        def tell(name: str, done: int, total: int) -> None:
            if done and time.monotonic() - shown[0] >= _SECONDS_BETWEEN_LINES:
                shown[0] = time.monotonic()
                note(f"{name}: {done / 1e6:.1f} MB" + (f" of {total / 1e6:.1f}" if total else ""))

        yield tell
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=console, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total or None)
            bar.update(tasks[name], completed=done)

        yield show
