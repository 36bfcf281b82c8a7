"""`toolkit eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.output import Format, load_registry, note_all, show_json
from toolkit.cli.progress import counting

if TYPE_CHECKING:
    from toolkit.bench.scores import Scores

_ARROWS = {"higher": "↑", "lower": "↓"}


def evaluate(
    sr: Annotated[Path, typer.Option(help="Folder of restored images.")],
    hr: Annotated[
        Path | None, typer.Option(help="Folder of the images that they should be.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Such as psnr-y, ssim-y, dists; give it several times for several."),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.table,
) -> None:
    """Score restored images: whole images, no crops, paired by name.

    Example: toolkit eval --sr restored --hr originals --metric psnr-y --metric dists
    """
    registry = load_registry()
    from toolkit.bench.scores import score_folder

    names = metric or ["psnr-y", "ssim-y", "dists"]
    with counting("Scoring") as show:
        scores = score_folder(sr, hr, names, registry, on_image=show)
    note_all(f"{len(scores.skipped)} images were skipped:", scores.skipped)
    if output is Format.json:
        show_json(_document(scores))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
    table.add_column("Image", f"Mean of {len(scores.images)}")
    for name, made in scores.metrics.items():
        arrow = _ARROWS[made.direction]
        table.add_column(f"{name} {arrow}", f"{scores.mean(name):.4f}", justify="right")
    for name, figures in scores.images.items():
        table.add_row(name, *(f"{figures[column]:.4f}" for column in scores.metrics))
    Console().print(table)


def _document(scores: Scores) -> dict[str, Any]:
    metrics = {
        name: {
            "mean": scores.mean(name),
            "direction": metric.direction,
            "fingerprint": dict(metric.fingerprint),
        }
        for name, metric in scores.metrics.items()
    }
    images = [{"name": name, **figures} for name, figures in scores.images.items()]
    skipped = [{"name": name, "reason": reason} for name, reason in scores.skipped]
    return {"metrics": metrics, "images": images, "skipped": skipped}
