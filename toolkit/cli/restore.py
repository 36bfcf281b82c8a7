"""`toolkit restore`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.output import Format, load_registry, note, show_json
from toolkit.cli.progress import counting
from toolkit.errors import UnknownComponentError, UsageError

if TYPE_CHECKING:
    from toolkit.interfaces import Restorer
    from toolkit.registry import Registry
    from toolkit.restoring.folder import Progress, Restored


class Precision(StrEnum):
    """What networks compute in; half of it halves the memory, and is faster on a GPU."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class Colour(StrEnum):
    """How the restored image gets the colours of its input."""

    wavelet = "wavelet"
    adain = "adain"
    none = "none"


def restore(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="Images, and folders of images.")
    ],
    source: Annotated[
        str,
        typer.Option("--with", metavar="RUN|NAME",
                     help="A restorer's name, or the folder of a run of your own."),
    ] = "pocket",
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR|FILE", help="Where to write; else beside the input, as NAME_x4."),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(min=0, help="Side of the tiles in input pixels; 0 for the whole image; "
                     "by default as the image's size asks for."),
    ] = None,
    colour: Annotated[
        Colour, typer.Option(help="How the output gets the input's colours.")
    ] = Colour.wavelet,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "auto",
    precision: Annotated[
        Precision | None,
        typer.Option(help="What a run's networks compute in; by default as the run's recipe says."),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.table,
) -> None:  # fmt: skip
    """Restore photographs at four times their size.

    Format, transparency, 16 bits, EXIF and colour profile are kept.

    Examples:
      toolkit restore photo.jpg

      toolkit restore holiday/ --out restored/

      toolkit restore photo.jpg --with runs/nad-ea-dists
    """
    registry = load_registry()
    from toolkit.contracts import move
    from toolkit.restoring.folder import plan_jobs, restore_files
    from toolkit.training.build import choose_device

    jobs = plan_jobs(inputs, out)
    chosen = choose_device(device)
    restorer = _restorer(source, registry, precision.value if precision else "")
    move(restorer, chosen)
    with counting("Restoring") as show:
        results = restore_files(
            restorer, jobs, tile=tile, colour=colour.value, device=chosen,
            on_event=lambda p: show(str(p.job.source), p.index, p.count) if _starts(p) else None,
        )  # fmt: skip
    failed = [result for result in results if result.error]
    if output is Format.json:
        show_json([_document(result) for result in results])
    else:
        for result in results:
            _report(result)
    if failed:
        note(f"{len(failed)} of {len(results)} images could not be restored.")
        sys.exit(1)


def _restorer(source: str, registry: Registry, precision: str) -> Restorer:
    """A run by its folder, or a restorer by its name."""
    from toolkit.runs import Run
    from toolkit.specs import Selection

    run, names = Run(Path(source)), {each.name for each in registry.components("restorer")}
    if run.exists or (run.folder.is_dir() and source not in names):
        return run.restorer(registry, precision)
    try:
        chosen = registry.expand("restorer", Selection(use=source))
        component = registry.find("restorer", chosen.name)
        if precision:
            if "precision" not in component.options.model_fields:
                raise UsageError(
                    f"--precision is for trained networks; {source} has none.", "Leave it out."
                )
            chosen = chosen.over({"precision": precision})
        made: Restorer = registry.make("restorer", chosen)
    except UnknownComponentError as error:
        raise UnknownComponentError(
            f"--with {source}: there is no such folder, and no such restorer. {error}",
            f"Name a run's folder, such as runs/nad-ea-dists. {error.hint}",
        ) from None
    return made


def _starts(progress: Progress) -> bool:
    return progress.tiles == 0 and progress.result is None


def _report(result: Restored) -> None:
    if result.error or not result.sr_size or not result.lr_size:
        print(f"{result.job.source}: failed: {result.error}")
        return
    sizes = "{}x{} → {}x{}".format(*result.lr_size, *result.sr_size)
    print(f"{result.job.source} → {result.job.destination}  {sizes}  {result.seconds:.1f} s")
    for each in result.notes:
        print(f"  {each}")


def _document(result: Restored) -> dict[str, Any]:
    return {
        "source": str(result.job.source),
        "destination": None if result.error else str(result.job.destination),
        "lr_size": result.lr_size,
        "sr_size": result.sr_size,
        "seconds": round(result.seconds, 3),
        "notes": list(result.notes),
        "error": None if result.error is None else str(result.error),
    }
