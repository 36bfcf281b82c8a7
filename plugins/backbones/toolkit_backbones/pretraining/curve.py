"""Draws the validation scores of the restorer's training over its hours."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from toolkit.discovery import installed
from toolkit.figures.document import rendered
from toolkit.figures.drawing import COLOURS, FONT, MARKERS, new_canvas
from toolkit.files import write_atomically
from toolkit.plugin import Selection
from toolkit_backbones.plugin import POCKET
from toolkit_backbones.pretraining.progress import PROGRESS, read_progress
from toolkit_backbones.pretraining.validation import DEGRADATIONS, Validation

SCORES: Final = ("dists", "lpips")


def main() -> None:
    """Reads the record, scores what it is compared with, and writes the drawing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, default=POCKET / "restorer" / PROGRESS)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--beside", nargs="*", default=["bicubic", "real-esrgan"], metavar="NAME")
    parser.add_argument("--out", type=Path, required=True, help="SVG, PNG or PDF")
    args = parser.parse_args()
    registry = installed()
    data = {"use": "folder", "folder": str(args.photos.absolute()), "part": "validation"}
    validation = Validation(data, registry)
    beside = {
        name: validation.scores(registry.make("restorer", Selection(use=name)))
        for name in args.beside
    }
    draw(read_progress(args.record), beside, args.out)


def draw(record: Sequence[Mapping[str, Any]], beside: Mapping[str, Any], path: Path) -> None:
    """Draws a panel for each score.

    Args:
        record: Lines of a training's record.
        beside: Scores of restorers to compare with, by name, as in a line.
        path: The drawing; its suffix chooses the format.
    """
    canvas = new_canvas(8.0, 3.4)
    for axes, score in zip(canvas.subplots(1, len(SCORES)), SCORES, strict=True):
        for index, degradation in enumerate(DEGRADATIONS):
            lines = [each for each in record if degradation in each]
            colour = COLOURS[index]
            axes.plot([each["hours"] for each in lines],
                      [each[degradation][score] for each in lines], MARKERS[index] + "-",
                      ms=4, color=colour, label=f"under {degradation}")  # fmt: skip
            for style, (name, scores) in zip(("--", ":", "-."), beside.items(), strict=False):
                axes.axhline(scores[degradation][score], ls=style, lw=0.9, color=colour,
                             label=f"{name}, {degradation}")  # fmt: skip
        _mark_stages(axes, record)
        axes.set_xlabel("hours", fontsize=FONT)
        axes.set_ylabel(score.upper(), fontsize=FONT)
        axes.set_xlim(0, None)
    handles, labels = canvas.axes[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=FONT - 1)
    write_atomically(path, rendered(canvas, path.suffix.lstrip(".")))


def _mark_stages(axes: Any, record: Sequence[Mapping[str, Any]]) -> None:
    """Marks where a stage begins, by the last line of the one before."""
    for before, after in itertools.pairwise(record):
        if before["stage"] != after["stage"]:
            axes.axvline(before["hours"], color="grey", lw=0.8)
            axes.annotate(f"{after['stage']} begins", (before["hours"], 1.01), fontsize=FONT - 2,
                          xycoords=("data", "axes fraction"), color="grey")  # fmt: skip


if __name__ == "__main__":
    main()
