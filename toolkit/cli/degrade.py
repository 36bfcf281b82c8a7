"""`toolkit degrade`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit import defaults
from toolkit.cli.completion import names_of
from toolkit.cli.output import Format, load_registry, note, show_json
from toolkit.cli.progress import counting
from toolkit.errors import UsageError
from toolkit.paths import user_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from toolkit.degrading.files import Degraded
    from toolkit.registry import Registry
    from toolkit.specs import Selection


def degrade(
    images: Annotated[
        list[Path] | None,
        typer.Argument(parser=user_path, metavar="IMAGE...",
                     help="HR images, and folders of HR images."),
    ] = None,
    source: Annotated[
        str,
        typer.Option("--with", metavar="NAME[:VARIANT]",
                     autocompletion=names_of("degradation"),
                     help="A degradation, such as realesrgan:stablesr or bsrgan."),
    ] = defaults.RECIPE["degradation"],
    seed: Annotated[int, typer.Option(min=0, help="Seed of all randomness.")] = 0,
    index: Annotated[
        int, typer.Option(min=0, help="Index of the first sample.")
    ] = 0,
    variants: Annotated[int, typer.Option(min=1, help="Number of LR images per HR image.")] = 8,
    history: Annotated[
        Path | None,
        typer.Option(parser=user_path, metavar="FILE",
                     help="Apply these recorded histories."),
    ] = None,
    out: Annotated[Path, typer.Option(parser=user_path, metavar="DIR",
                     help="Output folder.")] = Path("degraded"),
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Show the options in which two degradations differ."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="degradation.OPTION=VALUE",
                     help="Set an option, such as degradation.jpeg_range=[50,95]."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "cpu",
    output: Annotated[Format, typer.Option("--format", help="Format of the output.")]
    = Format.table,
) -> None:  # fmt: skip
    """Make LR images from HR images, or compare two degradations.

    Writes LR images, sheets of variants, and the history of each image: the operations that were
    applied to it, as JSON.

    Seed and index determine an image, independently of other images.

    Examples:
      toolkit degrade photo.png --with realesrgan:stablesr --seed 1

      toolkit degrade photos/ --variants 1 --out testset/

      toolkit degrade photo.png --history degraded/histories.json

      toolkit degrade --diff x4plus stablesr
    """
    registry = load_registry()
    if diff:
        if images:
            raise UsageError("--diff compares two degradations.", "Leave the images out.")
        _compare(diff, registry, output)
        return
    if not images:
        raise UsageError(
            "There is no image to degrade.",
            "For example: toolkit degrade photo.png --with realesrgan --seed 0",
        )
    from toolkit.degrading.files import degrade_files, plan_photos, read_histories
    from toolkit.devices import choose_device

    photos = plan_photos(images, out)
    wanted = read_histories(history) if history else variants
    degradation = registry.make("degradation", _selection(source, overrides or []))
    chosen = choose_device(device)
    with counting("Degrading") as show:
        results = degrade_files(
            degradation, photos, out, seed=seed, first=index, variants=wanted, device=chosen,
            on_photo=lambda photo, place: show(str(photo.source), place, len(photos)),
        )  # fmt: skip
    _report(results, out, output)


def _selection(source: str, overrides: Iterable[str]) -> Selection:
    from toolkit.specs import Selection, parse_override

    options = {}
    for text in overrides:
        keys, value = parse_override(text)
        if keys[0] != "degradation" or len(keys) != 2:
            raise UsageError(
                f"--set {text}: only options of the degradation can be set here.",
                "For example: --set degradation.jpeg_range=[50,95]",
            )
        options[keys[1]] = value
    return Selection(use=source, options=options)


def _report(results: list[Degraded], out: Path, output: Format) -> None:
    if output is Format.json:
        show_json([_document(result) for result in results])
    else:
        for result in results:
            if result.error:
                print(f"{result.source}: failed: {result.error}")
                if hint := getattr(result.error, "hint", ""):
                    print(f"  {hint}")
                continue
            print(f"{result.source} → {len(result.variants)} in {out / 'lr'}")
            if result.sheet:
                print(f"  sheet: {result.sheet}")
            for each in result.notes:
                print(f"  {each}")
    failed = [result for result in results if result.error]
    if failed:
        note(f"{len(failed)} of {len(results)} images could not be degraded.")
        sys.exit(1)


def _document(result: Degraded) -> dict[str, Any]:
    return {
        "source": str(result.source),
        "hr_size": result.hr_size,
        "lr": [
            {"file": str(each.file), "index": each.index, "history": each.history}
            for each in result.variants
        ],
        "sheet": None if result.sheet is None else str(result.sheet),
        "notes": list(result.notes),
        "error": None if result.error is None else str(result.error),
    }


def _compare(names: tuple[str, str], registry: Registry, output: Format) -> None:
    from toolkit.component import Options
    from toolkit.specs import Selection

    both = [registry.options("degradation", Selection(use=name)) for name in names]
    values = [options.model_dump(mode="json") for options in both]
    sources = [each.source if isinstance(each, Options) else "" for each in both]
    differing = {
        key: [each.get(key) for each in values]
        for key in {**values[0], **values[1]}
        if values[0].get(key) != values[1].get(key)
    }
    if output is Format.json:
        told = dict(zip(names, sources, strict=True))
        show_json({"a": names[0], "b": names[1], "differences": differing, "sources": told})
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("Option", *names):
        table.add_column(column)
    for key, pair in differing.items():
        table.add_row(key, *("–" if each is None else str(each) for each in pair))
    console = Console()
    console.print(table if differing else "No option differs.")
    for name, source in zip(names, sources, strict=True):
        if source:
            console.print(f"{name}: {source}", style="dim", highlight=False, soft_wrap=True)
