"""The built-in metrics beside pyiqa's: the same images, in turn, in one process."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyiqa
import theirs
import torch
from pyiqa.archs.niqe_arch import calculate_niqe
from side_by_side import document, line, save
from torch import Tensor

import toolkit
from toolkit.costs.timing import alternate
from toolkit.images import bicubic_resize
from toolkit.streams import stream
from toolkit_metrics.niqe import pristine

METRICS = ("psnr-y", "ssim-y", "lpips", "dists", "niqe")
LIBRARIES = ("torch", "torchvision", "pyiqa", "restoration-toolkit-metrics")

Pair = tuple[Tensor, Tensor]


def main() -> None:
    """Measures every metric, round by round, and prints ratios and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--metric", action="append", choices=METRICS)
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pairs = photographs(args.images, args.size)
    found = {}
    for name in args.metric or METRICS:
        found[name] = compare(name, pairs, args.rounds)
        print(line(name, found[name]), f"differs by {found[name]['largest_difference']:.1e}")
    settings = {"images": len(pairs), "size": args.size, "threads": args.threads}
    save(args.out, document("metrics", LIBRARIES, settings=settings, metrics=found))


def photographs(count: int, size: int) -> list[Pair]:
    """Crops of held-out photographs: (degraded and enlarged, true), `[1, 3, size, size]`."""
    photos = toolkit.make("dataset", "photos:heldout")
    degradation = toolkit.make("degradation", "realesrgan")
    pairs = []
    for index in range(min(count, len(photos))):
        hr = photos[index].hr
        top, left = ((length - size) // 2 for length in hr.shape[1:])
        hr = hr[:, top : top + size, left : left + size].clone()
        lr = degradation(hr, stream(0, "heldout", index))
        sr = (bicubic_resize(lr[None], 4).clamp(0, 1) * 255).round() / 255
        pairs.append((sr, hr[None]))
    return pairs


def compare(name: str, pairs: list[Pair], rounds: int) -> dict[str, Any]:
    """Times both over all images, and tells by how much their figures differ at most."""
    metric, reference = toolkit.make("metric", name), reference_of(name)
    images = pairs if metric.needs_reference else [(sr,) for sr, _ in pairs]

    @torch.no_grad()
    def all_of(score: Callable[..., Tensor]) -> list[float]:
        return [score(*each).item() for each in images]

    figures = zip(all_of(reference), all_of(metric), strict=True)
    found = asdict(alternate(lambda: all_of(reference), lambda: all_of(metric), rounds))
    return found | {"largest_difference": max(abs(a - b) for a, b in figures)}


def reference_of(name: str) -> Callable[..., Tensor]:
    """The metric of pyiqa, on the processor."""
    if name == "lpips":
        return theirs.lpips()
    if name == "dists":
        return theirs.dists()
    if name == "niqe":
        mean, covariance = pristine()
        return lambda image: calculate_niqe(image, mu_pris_param=mean, cov_pris_param=covariance)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a library that is only measured here
        found: Callable[..., Tensor] = pyiqa.create_metric(
            name.removesuffix("-y"),
            device=torch.device("cpu"),
            test_y_channel=True,
            color_space="ycbcr",
        )
    return found


if __name__ == "__main__":
    main()
