"""`toolkit restore`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit import defaults
from toolkit.cli.output import Format, load_registry, note, show_json
from toolkit.cli.progress import counting
from toolkit.errors import UnknownComponentError, UsageError
from toolkit.paths import user_path
from toolkit.specs import parse_option

if TYPE_CHECKING:
    from toolkit.interfaces import Restorer
    from toolkit.registry import Registry
    from toolkit.restoring.folder import Progress, Restored


class Precision(StrEnum):
    """Precision of the networks; 16 bits halve the memory and are faster on a GPU."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class Engine(StrEnum):
    """What executes the network."""

    auto = "auto"
    torch = "torch"
    onnx = "onnx"


class Colour(StrEnum):
    """Methods that match the colours of output and input."""

    wavelet = "wavelet"
    adain = "adain"
    none = "none"


class Existing(StrEnum):
    """Treatment of outputs that exist already."""

    skip = "skip"
    overwrite = "overwrite"


def restore(
    inputs: Annotated[
        list[Path], typer.Argument(parser=user_path, metavar="INPUT...",
                     help="Images, and folders of images.")
    ],
    source: Annotated[
        str,
        typer.Option("--with", metavar="RUN|FILE|NAME",
                     help="A restorer, the folder of a run, or one of its checkpoints."),
    ] = defaults.RESTORER,
    out: Annotated[
        Path | None,
        typer.Option(parser=user_path, metavar="DIR|FILE",
                     help="Output file or folder.", show_default="NAME_x4 beside the input"),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(min=0, help="Side of the tiles in input pixels; 0 for the whole image.",
                     show_default="by the size of the image"),
    ] = None,
    colour: Annotated[
        Colour | None,
        typer.Option(help="Method that matches the output's colours to the input's.",
                     show_default="wavelet, or the restorer's own"),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "auto",
    precision: Annotated[
        Precision | None,
        typer.Option(help="Precision of the networks.", show_default="as in the recipe"),
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option(help="torch: PyTorch; onnx: ONNX Runtime, on the processor, with less memory; "
                     "auto: PyTorch."),
    ] = Engine.auto,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE",
                     help="An option of the restorer; toolkit plugins show NAME lists them."),
    ] = None,
    existing: Annotated[
        Existing, typer.Option(help="Skip or overwrite outputs that exist already.")
    ] = Existing.skip,
    output: Annotated[Format, typer.Option("--format", help="Format of the output.")]
    = Format.table,
) -> None:  # fmt: skip
    """Restore photographs, at four times their size or the scale of the restorer.

    Keeps format, transparency, 16 bits, EXIF, resolution and colour profile, and lists what could
    not be kept. Existing outputs are skipped, so an interrupted folder resumes where it stopped.

    The default, pocket, is fast and needs no network. --with real-esrgan gives the best results
    today, takes four times as long, and downloads its weights once.

    Examples:
      toolkit restore photo.jpg

      toolkit restore photo.jpg --with real-esrgan

      toolkit restore holiday/ --out restored/

      toolkit restore photo.jpg --with runs/nad-ea-dists

      toolkit restore photo.jpg --with runs/nad-ea-dists/checkpoints/best.safetensors

      toolkit restore photo.jpg --with osediff --set "prompt=an old street"
    """
    registry = load_registry()
    from toolkit.abilities import matches_colours
    from toolkit.contracts import move
    from toolkit.devices import choose_device
    from toolkit.restoring.engines import with_engine
    from toolkit.restoring.folder import check_inputs, plan_jobs, restore_files

    check_inputs(inputs)  # before weights are fetched
    chosen = choose_device(device)
    restorer = _restorer(source, registry, _asked(options or [], precision))
    jobs = plan_jobs(inputs, out, restorer.scale)
    method = colour or (Colour.none if matches_colours(restorer) else Colour.wavelet)
    move(restorer, chosen)
    restorer = with_engine(restorer, engine.value, chosen, note)
    results: list[Restored] = []
    stopped = False
    with counting("Restoring") as show:

        def on_event(progress: Progress) -> None:
            if progress.result:
                results.append(progress.result)
            elif progress.tiles == 0:
                show(str(progress.job.source), progress.index, progress.count)

        try:
            restore_files(
                restorer, jobs, tile=tile, colour=method.value, device=chosen,
                existing=existing.value, on_event=on_event,
            )  # fmt: skip
        except KeyboardInterrupt:
            stopped = True
    failed = [result for result in results if result.error]
    if output is Format.json:
        show_json([_document(result) for result in results])
    else:
        for result in results:
            _report(result)
    if failed:
        note(f"{len(failed)} of {len(results)} images could not be restored.")
    if stopped:
        note(f"Stopped: {len(jobs) - len(results)} of {len(jobs)} images are left.")
        note("Run the same command again to restore them.")
        sys.exit(130)
    if failed:
        sys.exit(1)


def _asked(settings: list[str], precision: Precision | None) -> dict[str, Any]:
    """Returns the restorer's options that the command names."""
    # As recipes name it, too: restorer.steps=20
    asked = dict(parse_option(each.removeprefix("restorer.")) for each in settings)
    return asked | ({"precision": precision.value} if precision else {})


def _restorer(source: str, registry: Registry, options: dict[str, Any]) -> Restorer:
    """Returns a run by its folder or a checkpoint, or a restorer by its name."""
    from toolkit.runs import Run, run_of
    from toolkit.specs import Selection

    path, names = user_path(source), {each.name for each in registry.components("restorer")}
    checkpoint = path if path.suffix == ".safetensors" and path.is_file() else None
    run = run_of(checkpoint) if checkpoint else Run(path)
    if run.exists or (run.folder.is_dir() and source not in names):
        precision = options.pop("precision", "")
        if options:
            raise UsageError(
                f"--set {next(iter(options))}: a run has no options; its recipe says how it works.",
                "Leave it out.",
            )
        return run.restorer(registry, precision, checkpoint)
    try:
        chosen = registry.expand("restorer", Selection(use=source))
        component = registry.find("restorer", chosen.name)
        if "precision" in options and "precision" not in component.options.model_fields:
            raise UsageError(
                f"--precision is for trained networks; {source} has none.", "Leave it out."
            )
        made: Restorer = registry.make("restorer", chosen.over(options))
    except UnknownComponentError as error:
        raise UnknownComponentError(
            f"--with {source}: there is no such folder, and no such restorer. {error}",
            f"Name a run's folder, such as runs/nad-ea-dists. {error.hint}",
        ) from None
    return made


def _report(result: Restored) -> None:
    if result.kept:
        print(f"{result.job.source}: {result.job.destination} exists already, and was skipped")
        print("  To restore it again: --existing overwrite")
        return
    if result.error or not result.sr_size or not result.lr_size:
        print(f"{result.job.source}: failed: {result.error}")
        if hint := getattr(result.error, "hint", ""):
            print(f"  {hint}")
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
        "kept": result.kept,
        "error": None if result.error is None else str(result.error),
        "hint": getattr(result.error, "hint", ""),
    }
