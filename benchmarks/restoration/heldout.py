"""Restorers on whole photographs that ours has not seen: quality, time and memory, in one run.

LR images are made by each degradation at a fixed seed and rounded to 8 bits, as a file would be;
so is what comes out. Restorers take turns at each image.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))

from side_by_side import document, save

import toolkit
from toolkit.costs.timing import peak_bytes
from toolkit.degrading.samples import degrade
from toolkit.discovery import installed
from toolkit.evaluation.statistics import bootstrap_interval, mean
from toolkit.images import Picture, write_picture
from toolkit.recipe import data_selection
from toolkit.runs import Run

RESTORERS = ("bicubic", "real-esrgan", "realsr-jpeg", "pocket")
DEGRADATIONS = ("realesrgan", "bicubic")
METRICS = ("psnr-y", "ssim-y", "lpips", "dists", "niqe", "lattice:4")
WAY = ("bicubic", "real-esrgan")
"""From 0 to 100 % of the way."""
SEED = 0
"""Of the degradations."""

Figures = dict[str, dict[str, dict[str, list[float]]]]
"""By degradation, restorer and metric: one figure an image."""


def main() -> None:
    """Measures, prints, and keeps the figures and the images where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--with", dest="restorers", nargs="+", default=RESTORERS,
                        metavar="NAME|RUN", help="restorers, or folders of runs")  # fmt: skip
    parser.add_argument("--degradation", nargs="+", default=DEGRADATIONS)
    parser.add_argument("--data", default="photos:heldout", help="a dataset, or a folder")
    parser.add_argument("--part", help="of a folder: validation, to choose settings by")
    parser.add_argument("--first", type=int, help="only so many photographs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where to keep all images")
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    restorers = {Path(name).name: load(name, device) for name in args.restorers}
    figures, names = measure(args, restorers, device)
    for degradation in figures:
        print(table(degradation, figures[degradation]))
    if args.out:
        settings = {"data": args.data, "part": args.part, "seed": SEED, "threads": args.threads}
        content = document(
            "heldout",
            ("torch", "diffusers", "spandrel"),
            settings={**settings, "device": args.device},
            images=names,
            summary={each: summary(found) for each, found in figures.items()},
            figures=figures,
        )
        save(args.out, content)


def load(name: str, device: torch.device) -> Any:
    """A run's restorer by its folder, or a restorer by its name."""
    folder = Run(Path(name))
    made = folder.restorer(installed()) if folder.exists else toolkit.make("restorer", name)
    made.to(device)
    return made


@torch.inference_mode()
def measure(
    args: argparse.Namespace, restorers: Mapping[str, Any], device: torch.device
) -> tuple[Figures, list[str]]:
    """All figures, and the photographs' names."""
    part = {"part": args.part} if args.part else {}
    photos = toolkit.make("dataset", data_selection(args.data), **part)
    metrics = {name: toolkit.make("metric", name) for name in METRICS}
    degradations = {name: toolkit.make("degradation", name) for name in args.degradation}
    count = min(args.first or len(photos), len(photos))
    figures: Figures = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    names = []
    for index in range(count):
        photo = photos[index]
        hr = whole_lr_pixels(photo.hr)
        names.append(photo.name)
        for degradation, maker in degradations.items():
            lr = rounded(degrade(maker, hr, SEED, [index]))
            keep(args.keep, degradation, "lr", photo.name, lr)
            for name, restorer in restorers.items():
                sr, costs = restored(restorer, lr.to(device))
                found = figures[degradation][name]
                scores = {each: metric(sr, hr).item() for each, metric in metrics.items()}
                for key, value in {**scores, **costs}.items():
                    found[key].append(value)
                keep(args.keep, degradation, name, photo.name, sr)
            print(f"{index + 1}/{count} {photo.name} {degradation}", flush=True)
    return json.loads(json.dumps(figures)), names


def restored(restorer: Any, lr: Tensor) -> tuple[Tensor, dict[str, float]]:
    """What comes out, with seconds and megabytes at the peak, beyond what was held before."""
    made: list[Tensor] = []
    seconds: list[float] = []

    def work() -> None:
        begun = time.perf_counter()
        made.append(restorer(lr).cpu())
        seconds.append(time.perf_counter() - begun)

    memory = peak_bytes(work)
    return rounded(made[0]), {"seconds": seconds[0], "megabytes": (memory or 0) / 1e6}


def whole_lr_pixels(hr: Tensor) -> Tensor:
    """`[1, 3, h, w]` without the last pixels that do not make up an LR pixel."""
    height, width = (side - side % 4 for side in hr.shape[1:])
    return hr[None, :, :height, :width]


def rounded(images: Tensor) -> Tensor:
    """As a file of 8 bits holds them."""
    return images.clamp(0, 1).mul(255).round().div(255)


def keep(folder: Path | None, degradation: str, what: str, name: str, image: Tensor) -> None:
    """Writes an image as PNG, if there is a place for it."""
    if folder:
        path = folder / degradation / what / Path(name).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(Picture(image[0]), path)


def summary(found: Mapping[str, Mapping[str, list[float]]]) -> dict[str, Any]:
    """By restorer and figure: mean, interval, median, and the share of the way where it is one."""
    lowest, highest = (found.get(end) for end in WAY)
    told: dict[str, Any] = {}
    for name, columns in found.items():
        told[name] = {}
        for key, values in columns.items():
            entry = {"mean": mean(values), "interval": bootstrap_interval(values),
                     "median": statistics.median(values)}  # fmt: skip
            if lowest and highest and key in METRICS:
                entry["way"] = share_of_way(values, lowest[key], highest[key])
            told[name][key] = entry
    return told


def share_of_way(values: list[float], lowest: list[float], highest: list[float]) -> float | None:
    """0 where the means are bicubic's, 1 where they are Real-ESRGAN's."""
    whole = mean(highest) - mean(lowest)
    return (mean(values) - mean(lowest)) / whole if whole else None


def table(degradation: str, found: Mapping[str, Mapping[str, list[float]]]) -> str:
    """The summary, for reading."""
    told = summary(found)
    keys = list(next(iter(told.values())))
    lines = [f"\n{degradation}: means with 95 % intervals, share of the way to {WAY[1]}"]
    for name, columns in told.items():
        lines.append(name)
        for key in keys:
            entry = columns[key]
            low, high = entry["interval"] or (entry["mean"], entry["mean"])
            way = entry.get("way")
            share = "" if way is None else f"  {100 * way:.0f} %"
            lines.append(
                f"  {key:10} {entry['mean']:9.4f}  ({low:.4f} to {high:.4f}), "
                f"median {entry['median']:.4f}{share}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
