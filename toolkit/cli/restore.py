"""`toolkit restore`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit import defaults
from toolkit.cli.completion import names_of
from toolkit.cli.output import Format, load_registry, note
from toolkit.cli.restored import show_results
from toolkit.errors import UsageError
from toolkit.restoring.storage import location
from toolkit.specs import parse_option

if TYPE_CHECKING:
    from toolkit.images import Note
    from toolkit.interfaces import Restorer
    from toolkit.restoring.treatment import Treatment


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
    rename = "rename"


class Subsampling(StrEnum):
    """Resolution of the colours beside that of the brightness."""

    full = "4:4:4"
    half = "4:2:2"
    quarter = "4:2:0"


_SIZE, _RESULT, _NETWORK = "Size and strength", "Output", "Restorer"
_PLACE = "Several machines"


def restore(
    inputs: Annotated[
        list[Path], typer.Argument(parser=location, metavar="INPUT...",
                     help="Images, folders, and patterns such as '*.jpg'; - reads a pipe.")
    ],
    sources: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="RUN|FILE|NAME|hub:OWNER/NAME", rich_help_panel=_NETWORK,
                     autocompletion=names_of("restorer"),
                     help="A restorer, the folder of a run, one of its checkpoints, or a run on "
                     "the model hub; several with --compare.", show_default=defaults.RESTORER),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(metavar="N", rich_help_panel=_SIZE,
                     help="Size of the result beside the input's, up to the restorer's scale.",
                     show_default="the restorer's"),
    ] = None,
    width: Annotated[
        int | None, typer.Option(rich_help_panel=_SIZE, help="Width of the result in pixels.")
    ] = None,
    height: Annotated[
        int | None,
        typer.Option(rich_help_panel=_SIZE, help="Height of the result in pixels; with --width, "
                     "the result fits into both.")
    ] = None,
    max_side: Annotated[
        int | None,
        typer.Option(rich_help_panel=_SIZE, help="Limit of the result's longer side, in pixels."),
    ] = None,
    strength: Annotated[
        float,
        typer.Option(metavar="0…1", rich_help_panel=_SIZE,
                     help="From 0, the enlarged input, to 1, the full restoration."),
    ] = 1.0,
    out: Annotated[
        Path | None,
        typer.Option(parser=location, metavar="DIR|FILE", rich_help_panel=_RESULT,
                     help="Output file or folder; - writes to a pipe.",
                     show_default="NAME_x4 beside the input"),
    ] = None,
    format_out: Annotated[
        str | None,
        typer.Option(metavar="SUFFIX", rich_help_panel=_RESULT,
                     help="Format of the results, such as png or jpg.",
                     show_default="as the input"),
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option(min=1, max=100, rich_help_panel=_RESULT,
                     help="Quality of JPEG, WebP, AVIF, HEIC and JPEG XL files.",
                     show_default="that of the input, else 95"),
    ] = None,
    subsampling: Annotated[
        Subsampling | None,
        typer.Option(rich_help_panel=_RESULT, help="Resolution of the colours in JPEG files.",
                     show_default="that of the input, else by the quality"),
    ] = None,
    max_megapixels: Annotated[
        float,
        typer.Option(metavar="N", rich_help_panel=_RESULT,
                     help="Largest input; more is refused before it is decoded."),
    ] = 500.0,
    existing: Annotated[
        Existing,
        typer.Option(rich_help_panel=_RESULT,
                     help="Skip or overwrite outputs that exist already, or name new ones NAME-2.")
    ] = Existing.skip,
    compare: Annotated[
        bool,
        typer.Option("--compare", rich_help_panel=_RESULT,
                     help="Write sheets that show the results of every --with side by side."),
    ] = False,
    tile: Annotated[
        int | None,
        typer.Option(min=0, rich_help_panel=_NETWORK,
                     help="Side of the tiles in input pixels; 0 for the whole image.",
                     show_default="by the size of the image"),
    ] = None,
    colour: Annotated[
        Colour | None,
        typer.Option(rich_help_panel=_NETWORK,
                     help="Method that matches the output's colours to the input's.",
                     show_default="wavelet, or the restorer's own"),
    ] = None,
    device: Annotated[
        str, typer.Option(rich_help_panel=_NETWORK, help="cpu, cuda, or auto.")
    ] = "auto",
    precision: Annotated[
        Precision | None,
        typer.Option(rich_help_panel=_NETWORK, help="Precision of the networks.",
                     show_default="as in the recipe"),
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option(rich_help_panel=_NETWORK,
                     help="torch: PyTorch; onnx: ONNX Runtime, on the processor, with less memory; "
                     "auto: PyTorch."),
    ] = Engine.auto,
    on: Annotated[
        str,
        typer.Option(metavar="local|ray[:ADDRESS]", rich_help_panel=_PLACE,
                     help="This process, or the machines of a Ray cluster: that of ADDRESS or "
                     "RAY_ADDRESS, else one that is started here.")
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option(min=1, rich_help_panel=_PLACE,
                     help="Processes of --on ray, each with its own restorer.",
                     show_default="one for each GPU, else for each core"),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", rich_help_panel=_NETWORK,
                     help="An option of the restorer; toolkit plugins show NAME lists them."),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="Format of the report.")]
    = Format.table,
) -> None:  # fmt: skip
    """Restore photographs, at four times their size or the scale of the restorer.

    Keeps format, transparency, 16 bits, EXIF, resolution and colour profile, and lists what could
    not be kept. Existing outputs are skipped, so an interrupted folder resumes where it stopped.

    The default, pocket, is fast and needs no network. --with real-esrgan gives the best results
    today, takes four times as long, and downloads its weights once.

    Inputs and outputs may be on remote storage, such as s3://bucket/scans/.

    Examples:
      toolkit restore photo.jpg

      toolkit restore photo.jpg --with real-esrgan --scale 2

      toolkit restore holiday/ --out restored/ --max-side 4000 --format-out png

      toolkit restore photo.jpg --with pocket --with real-esrgan --compare

      toolkit restore photo.jpg --with runs/nad-ea-dists/checkpoints/best.safetensors

      toolkit restore photo.jpg --with hub:me/my-restorer

      toolkit restore photo.jpg --with osediff --set "prompt=an old street"

      toolkit restore s3://bucket/scans/ --out s3://bucket/big/ --on ray

      cat photo.jpg | toolkit restore - --strength 0.7 > restored.jpg
    """
    registry = load_registry()
    from toolkit.cli.pipes import piped
    from toolkit.contracts import move
    from toolkit.devices import choose_device
    from toolkit.images import Encoding
    from toolkit.restoring.comparing import compare_files
    from toolkit.restoring.engines import with_engine
    from toolkit.restoring.folder import Files, restore_files
    from toolkit.restoring.jobs import check_encodings, matching, plan_jobs, suffix_of
    from toolkit.restoring.on_ray import Opening, restore_on_ray
    from toolkit.restoring.opening import note_on, open_restorer
    from toolkit.restoring.ray_cluster import cluster_named
    from toolkit.restoring.sizes import Size
    from toolkit.restoring.treatment import Treatment, colour_for

    names = list(dict.fromkeys(sources or [defaults.RESTORER]))
    if len(names) > 1 and not compare:
        raise UsageError(
            "More than one --with: whose result shall be written?",
            "To see them side by side: --compare. Else name one.",
        )
    cluster = cluster_named(on, workers, compare=compare)
    suffix = ".png" if compare else suffix_of(format_out)
    size = Size(scale, width, height, max_side)
    with piped(inputs, out, report=output is not Format.json) as (given, target):
        matching(given)  # before weights are fetched
        record: Note | None = None
        # The workers have devices of their own.
        chosen = choose_device(device if cluster is None else "cpu")
        asked = _asked(options or [], precision)
        restorers: dict[str, tuple[Restorer, Treatment]] = {}
        for name in names:
            restorer = open_restorer(name, registry, asked)
            method = colour_for(restorer, colour.value if colour else None)
            treatment = Treatment(tile, method, strength, size)
            treatment.check(restorer)
            move(restorer, chosen)
            record = None if compare else note_on(restorer, name)  # sheets have none
            restorers[name] = with_engine(restorer, engine.value, chosen, note), treatment
        restorer, treatment = restorers[names[0]]
        mark = "_compare" if compare else size.mark or f"_x{restorer.scale}"
        jobs = plan_jobs(given, target, mark, suffix=suffix, rename=existing is Existing.rename)
        encoding = Encoding(quality, subsampling.value if subsampling else None)
        check_encodings(jobs, encoding)
        files = Files(encoding, record, int(max_megapixels * 1e6))
        with show_results(jobs, output) as on_event:
            if compare:
                compare_files(
                    restorers, jobs, device=chosen, existing=existing.value, on_event=on_event
                )
            elif cluster is not None:
                restore_on_ray(
                    Opening(names[0], asked, treatment, files, device, engine.value), jobs,
                    cluster=cluster, workers=workers, existing=existing.value, on_event=on_event,
                )  # fmt: skip
            else:
                restore_files(
                    restorer, jobs, treatment, files,
                    device=chosen, existing=existing.value, on_event=on_event,
                )  # fmt: skip


def _asked(settings: list[str], precision: Precision | None) -> dict[str, Any]:
    """Returns the restorer's options that the command names."""
    # As recipes name it, too: restorer.steps=20
    asked = dict(parse_option(each.removeprefix("restorer.")) for each in settings)
    return asked | ({"precision": precision.value} if precision else {})
