"""`toolkit figure`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.bench import SettingChoice, setting_for
from toolkit.cli.output import Format, load_registry, note, show_json, working
from toolkit.cli.tables import telling
from toolkit.errors import UsageError
from toolkit.paths import user_path

if TYPE_CHECKING:
    from toolkit.figures.document import Figure
    from toolkit.figures.systems import Asked
    from toolkit.registry import Registry


def figure(
    number: Annotated[
        str, typer.Argument(metavar="N|crops", help="A figure of the paper: 1, 3, 4, 5, 6, 7 or 8; "
                            "or crops, for images of your own.")
    ],
    scale: Annotated[
        SettingChoice | None,
        typer.Option(help="The paper's networks, or the small ones that ship.",
                     show_default="pocket without a GPU, else paper"),
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|FILE", help="Name of a photograph; for crops, a file. May be "
                     "repeated.", show_default="two in which results differ most"),
    ] = None,
    crop: Annotated[
        str, typer.Option(metavar="X,Y,SIDE|auto", help="Crop in pixels of the restored image, or "
                          "where results differ most.")
    ] = "auto",
    sources: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="RUN|NAME", help="For crops: a restorer or a run, may be "
                     "repeated. For figure 3: a run of your own."),
    ] = None,
    hr: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="For crops: the original of each --image."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Few steps and few photographs.")
    ] = False,
    out: Annotated[
        Path, typer.Option(parser=user_path, metavar="DIR", help="Folder for the files.")
    ] = Path("figures"),
    work: Annotated[
        Path, typer.Option(parser=user_path, metavar="PATH",
                     help="Folder of runs and images, shared with toolkit bench.")
    ] = Path("runs/bench"),
    device: Annotated[str, typer.Option(help="For crops: cpu, cuda, or auto.")] = "auto",
    output: Annotated[Format, typer.Option("--format", help="Format of the output.")]
    = Format.table,
) -> None:  # fmt: skip
    """Draw a figure of the paper, or compare restorers on your own images.

    Writes PNG, SVG and PDF, and JSON with all the data. What the tables have trained and restored
    is used; what is missing is made, and an interrupted command resumes. What cannot be made here
    says what it needs.

    Examples:
      toolkit figure 5

      toolkit figure 8 --quick --out first-look

      toolkit figure 6 --image heldout-03 --crop 40,64,128

      toolkit figure crops --with pocket --with runs/first --image photo.jpg --hr original.png
    """
    from toolkit.figures.drawing import check_library
    from toolkit.figures.making import CROPS, check_number
    from toolkit.files import check_writable

    check_number(number)
    check_library()
    for folder in (out, *(() if number == CROPS else (work,))):
        check_writable(folder, "Cannot write into", "Name another folder: --out DIR, --work DIR")
    _check_options(number, image or [], sources or [], hr or [])
    registry = load_registry()
    if number == CROPS:
        made = _own(sources or [], image or [], hr or [], crop, registry, device)
    else:
        from toolkit.figures.systems import Asked

        asked = Asked(
            setting_for(scale), work, quick, tuple(image or ()), crop, (sources or [""])[0]
        )
        made = _of_paper(number, asked, registry)
    _finish(made, out, output)


def _check_options(number: str, image: list[str], sources: list[str], hr: list[str]) -> None:
    """Refuses options of the other kind of figure, and missing ones."""
    example = "toolkit figure crops --with pocket --with bicubic --image photo.jpg"
    if number == "crops":
        for option, values in (("--with", sources), ("--image", image)):
            if not values:
                raise UsageError(f"figure crops needs {option}.", f"For example: {example}")
    elif hr or (sources and number != "3") or len(sources) > 1:
        option = "--with" if sources else "--hr"
        raise UsageError(
            f"{option} is for figure crops: the systems of figure {number} are the paper's.",
            f"For your own: {example}",
        )


def _of_paper(number: str, asked: Asked, registry: Registry) -> Figure:
    from toolkit.figures.making import make_figure

    with working():
        return make_figure(number, asked, registry, telling(asked.work))


def _own(
    sources: list[str], images: list[str], hr: list[str], crop: str, registry: Registry, device: str
) -> Figure:
    from toolkit.cli.progress import counting
    from toolkit.devices import choose_device
    from toolkit.figures.own import own_figure

    names = list(dict.fromkeys(sources))
    with working(), counting("Restoring") as show:
        return own_figure(names, images, hr, crop, registry, choose_device(device), show)


def _finish(made: Figure, out: Path, output: Format) -> None:
    from toolkit.figures.document import as_document, write_figure

    files = write_figure(made, out)
    for label, need in made.needs:
        note(f"Not shown: {label}. {need}")
    if output is Format.json:
        show_json(as_document(made))
    else:
        print("\n".join(str(path) for path in files))
