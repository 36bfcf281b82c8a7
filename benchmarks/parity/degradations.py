"""Whether the degradation `realesrgan:x4plus` is the one that basicsr's own pipeline makes.

First, single operations on the same images with the same parameters: the largest difference, in
8-bit levels. Then the distributions of all that is drawn, and of what comes out, over many samples:
Kolmogorov and Smirnov's test of each, at a level of 5 % for all of them together (Holm).
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import ks_2samp
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))

from basicsr_operations import operations, recorded
from basicsr_pipeline import Published, seed_published
from side_by_side import document, save

import toolkit
from toolkit.images import bicubic_resize
from toolkit.streams import stream

LIBRARIES = ("torch", "scipy", "opencv-python-headless", "restoration-toolkit-degradations")
_LEVEL = 0.05
_WEIGHTS = (0.299, 0.587, 0.114)

Figures = dict[str, list[float]]


def main() -> None:
    """Compares operations and distributions, prints both, and fails where they disagree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    args = parser.parse_args()
    hr = crops(args.samples, args.size, args.seed)
    single = operations(hr[:16])
    for name, levels in single.items():
        print(f"{name:44} differs by at most {levels:.3f} levels")
    theirs = published(hr, args.seed)
    tests: dict[str, dict[str, dict[str, float]]] = {}
    for codec in ("differentiable", "libjpeg"):
        tests[codec] = compare(theirs, made(hr, args.seed, codec))
        print(f"\n{args.samples} samples each, JPEG: {codec}")
        for name, found in tests[codec].items():
            print(
                f"  {name:28} {found['theirs_mean']:9.4f} {found['ours_mean']:9.4f}"
                f"  D {found['statistic']:.4f}  p {found['p']:.3f}"
                f"{'' if found['agree'] else '  DIFFERS'}"
            )
    settings = {"samples": args.samples, "size": args.size, "seed": args.seed, "level": _LEVEL}
    save(
        args.out,
        document("parity", LIBRARIES, settings=settings, operations=single, tests=tests),
    )
    agree = all(each["agree"] for found in tests.values() for each in found.values())
    if not agree or max(single.values()) > 1:
        sys.exit("They differ.")


def crops(count: int, size: int, seed: int) -> Tensor:
    """Random crops of the training photographs, `[count, 3, size, size]`."""
    photos = toolkit.make("dataset", "photos:train")
    images = [photos[index].hr for index in range(len(photos))]
    found = []
    for number in range(count):
        image = images[number % len(images)]
        rng = stream(seed, "parity", number)
        top, left = (int(rng.integers(side - size + 1)) for side in image.shape[1:])
        found.append(image[:, top : top + size, left : left + size])
    return torch.stack(found)


def published(hr: Tensor, seed: int) -> Figures:
    """What basicsr draws, image by image, as a batch of one, and what comes out."""
    pipeline, figures = Published(hr.shape[-1]), defaultdict(list)
    seed_published(seed)
    for image in hr:
        with recorded(pipeline, figures):
            lr = pipeline(image[None], pipeline.kernels(1))[0]
        _look_at(figures, lr, image)
    return figures


def made(hr: Tensor, seed: int, codec: str) -> Figures:
    """What we draw, and what comes out."""
    degradation = toolkit.make("degradation", "realesrgan:x4plus", codec=codec)
    figures: Figures = defaultdict(list)
    for start in range(0, len(hr), 8):
        part = hr[start : start + 8]
        indices = range(start, start + len(part))
        for image, lr in zip(part, degradation.batch(part, seed, indices), strict=True):
            _look_at(figures, lr, image)
        for index in indices:
            _tell(figures, degradation.describe(seed, index), hr.shape[-1] // 4)
    return figures


def _tell(figures: Figures, history: Sequence[dict[str, Any]], lr_side: int) -> None:
    """A history under the names that basicsr's draws are recorded by."""
    kinds = [step["step"] for step in history]
    order = kinds.index("resize"), kinds.index("resize", kinds.index("resize") + 1)
    for place, step in enumerate(history):
        stage = 1 if place <= kinds.index("jpeg") else 2
        kind = step["step"]
        if kind == "blur":
            figures[f"kernel size {stage}"].append(step["size"])
            figures[f"sigma {stage}"].append(step["sigma"][0])
            if "aniso" in step["shape"]:
                figures[f"second sigma {stage}"].append(step["sigma"][1])
                figures[f"rotation {stage}"].append(step["rotation"])
            if step["shape"].startswith(("gen", "plat")):
                figures[f"beta {step['shape'][:4]} {stage}"].append(step["beta"])
        elif kind == "sinc":
            final = place > order[1]
            figures["kernel size final" if final else f"kernel size {stage}"].append(step["size"])
            figures["cutoff final" if final else f"cutoff {stage}"].append(step["cutoff"])
        elif kind == "resize" and place in order:
            factor = step["factor"]
            figures[f"scale {stage}"].append(
                factor if stage == 1 else int(lr_side * factor) / lr_side
            )
        elif kind in {"gaussian", "poisson"}:
            figures[f"noise is Gaussian {stage}"].append(float(kind == "gaussian"))
            figures[f"noise is gray {stage}"].append(float(step["gray"]))
            figures[f"{kind} level {stage}"].append(step.get("sigma", step.get("scale")))
        elif kind == "jpeg":
            figures[f"JPEG quality {stage}"].append(step["quality"])
    figures["JPEG is last"].append(float(kinds[-1] == "jpeg"))
    between = set(kinds[order[0] : order[1]])
    figures["second blur"].append(float(bool(between & {"blur", "sinc"})))


def _look_at(figures: Figures, lr: Tensor, hr: Tensor) -> None:
    """Statistics of an LR image."""
    gray = sum(weight * channel for weight, channel in zip(_WEIGHTS, lr, strict=True))
    assert isinstance(gray, Tensor)
    energy = gray.diff(dim=0).square().mean() + gray.diff(dim=1).square().mean()
    error = (lr - bicubic_resize(hr[None], 0.25)[0].clamp(0, 1)).square().mean()
    figures["LR mean"].append(lr.mean().item())
    figures["LR variance"].append(lr.var().item())
    figures["LR gradient energy"].append(energy.item())
    figures["LR PSNR to bicubic"].append(-10 * float(np.log10(max(error.item(), 1e-10))))


def compare(theirs: Figures, ours: Figures) -> dict[str, dict[str, Any]]:
    """One test for each figure, and whether it holds beside all others."""
    if theirs.keys() != ours.keys():
        sys.exit(f"Drawn by one of them only: {sorted(theirs.keys() ^ ours.keys())}")
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(theirs):
        test = ks_2samp(theirs[name], ours[name])
        found[name] = {
            "statistic": float(test.statistic),
            "p": float(test.pvalue),
            "theirs_mean": float(np.mean(theirs[name])),
            "ours_mean": float(np.mean(ours[name])),
            "theirs_count": len(theirs[name]),
            "ours_count": len(ours[name]),
        }
    # Holm: the smallest p-value counts as often as there are tests, the next once less.
    holds = True
    for place, name in enumerate(sorted(found, key=lambda each: -found[each]["p"]), start=1):
        found[name]["p_needed"] = _LEVEL / place
    for name in sorted(found, key=lambda each: found[each]["p"]):
        holds = holds and found[name]["p"] < found[name]["p_needed"]
        found[name]["agree"] = not holds
    return found


if __name__ == "__main__":
    main()
