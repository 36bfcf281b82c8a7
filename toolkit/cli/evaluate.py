"""`toolkit eval`."""

from __future__ import annotations

from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.completion import names_of
from toolkit.cli.output import load_registry, note, note_all, show_json
from toolkit.cli.progress import counting
from toolkit.paths import user_path

if TYPE_CHECKING:
    from rich.table import Table

    from toolkit.evaluation.comparison import Comparison
    from toolkit.evaluation.document import Row
    from toolkit.evaluation.scores import Scores

_ARROWS = {"higher": "↑", "lower": "↓"}
_SHORT = {"no difference shown": "none shown"}  # so that a table fits 80 columns


class ScoresFormat(StrEnum):
    """How scores are printed."""

    table = "table"
    json = "json"
    csv = "csv"


def evaluate(
    sr: Annotated[
        Path, typer.Option(parser=user_path, metavar="PATH", help="Folder of restored images.")
    ],
    hr: Annotated[
        Path | None,
        typer.Option(parser=user_path, metavar="PATH", help="Folder of the HR images."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="A metric, such as psnr-y. May be repeated.", autocompletion=names_of("metric")
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            parser=user_path,
            metavar="PATH",
            help="JSON of another system, from `toolkit eval --format json`, to compare with.",
        ),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Do not use or store cached scores.")
    ] = False,
    output: Annotated[
        ScoresFormat, typer.Option("--format", help="Format of the output.")
    ] = ScoresFormat.table,
) -> None:
    """Score restored images, whole, paired with HR images by name.

    Example: toolkit eval --sr restored --hr originals --metric psnr-y --metric dists
    """
    registry = load_registry()
    from toolkit.evaluation.cache import ScoreCache, default_path
    from toolkit.evaluation.document import read_evaluation
    from toolkit.evaluation.earlier import compare_with, refuse_unlike
    from toolkit.evaluation.scores import default_metrics, prepare
    from toolkit.evaluation.scoring import score

    earlier = read_evaluation(against) if against else None
    chosen = metric or list(earlier.metrics if earlier else default_metrics(registry, hr))
    scores = prepare(sr, hr, chosen, registry)
    if earlier and against:
        refuse_unlike(scores, earlier, against)
    kept = nullcontext() if no_cache else ScoreCache(default_path(), note)
    with kept as cache, counting("Scoring") as show:
        score(scores, cache, on_image=show)
    _note_gaps(scores)
    comparison = compare_with(scores, earlier, against) if earlier and against else None
    _show(scores, comparison, output)


def _note_gaps(scores: Scores) -> None:
    cut = [(image.name, image.note) for image in scores.images if image.note]
    note_all(f"{len(cut)} originals are larger by less than an LR pixel:", cut)
    note_all(f"{len(scores.skipped)} images were skipped:", scores.skipped)
    missing = [(f"{image}, {metric}", reason) for image, metric, reason in scores.missing]
    note_all(f"{len(missing)} figures are missing:", missing)
    lost = [(name, f"{error} {error.hint}") for name, error in scores.unavailable.items()]
    note_all(f"{len(lost)} metrics are not available:", lost)


def _show(scores: Scores, comparison: Comparison | None, output: ScoresFormat) -> None:
    from toolkit.evaluation.document import comparison_rows, document, image_rows

    if output is ScoresFormat.json:
        show_json(document(scores, comparison))
    elif output is ScoresFormat.csv:
        _show_csv(comparison_rows(comparison) if comparison else image_rows(scores))
    else:
        from rich.console import Console

        console = Console()
        console.print(_table(scores))
        if comparison:
            console.print()
            console.print(_comparison_table(comparison))
            console.print(_remarks(comparison), style="dim", highlight=False, markup=False)


def _show_csv(rows: list[Row]) -> None:
    import csv
    import sys

    csv.writer(sys.stdout, lineterminator="\n").writerows(rows)


def _table(scores: Scores) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
    scored = sum(map(bool, scores.figures.values()))
    table.add_column("Image", f"Mean of {scored}\n95 % from\nto", overflow="fold")
    for name, made in scores.metrics.items():
        ends = scores.interval(name) or (None, None)
        footer = "\n".join(map(_figure, (scores.mean(name), *ends)))
        arrow = _ARROWS[made.direction]
        table.add_column(f"{name} {arrow}", footer, justify="right", min_width=8)
    for image, figures in scores.figures.items():
        # Text, as brackets in a name would be taken for markup.
        table.add_row(Text(image), *(_figure(figures.get(name)) for name in scores.metrics))
    return table


def _comparison_table(comparison: Comparison) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Metric", no_wrap=True)
    for title in ("Here", "There", "Difference", "from", "to", "p"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    for name, each in comparison.differences.items():
        ends = each.interval or (None, None)
        figures = map(_figure, (each.here, each.there, each.difference, *ends))
        p = "<0.0001" if each.p_corrected < 1e-4 else f"{each.p_corrected:.4f}"
        verdict = _SHORT.get(each.verdict, each.verdict)
        table.add_row(f"{name} {_ARROWS[each.direction]}", *figures, p, verdict)
    return table


def _remarks(comparison: Comparison) -> str:
    """How the comparison is to be read."""
    from toolkit.evaluation.statistics import images_needed

    differences = comparison.differences.values()
    level = next(iter(differences)).level
    said = f"Here minus {comparison.path}, over {comparison.shared} images in both"
    if comparison.only_here or comparison.only_there:
        said += f"; {comparison.only_here} are only here, {comparison.only_there} only there"
    said += f". Intervals hold together at 95 % (each at {level:.4g}); p: Wilcoxon, Holm-corrected."
    needed = images_needed(len(differences))
    if min(each.count for each in differences) < needed:
        said += f" With fewer than {needed} images nothing can be shown."
    return said


def _figure(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.4f}"
