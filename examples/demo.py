"""Demonstrates the toolkit in a few minutes: trains, restores held-out photographs, evaluates.

Every step is a shell command, which is printed before it runs.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

import toolkit
from toolkit.images import Picture, bicubic_resize, read_rgb, write_picture
from toolkit.streams import stream

RUN = Path("runs/demo")
LR, HR = RUN / "heldout" / "lr", RUN / "heldout" / "hr"
STEPS = 240
METRICS = ("psnr-y", "ssim-y", "dists")
EXAMPLES = ("hedgehog", "red-panda", "carcassonne-walls", "sally-lightfoot-crab")
CROP = 256
"""Side of the crops on the contact sheet, in HR pixels."""


def main() -> None:
    """Runs the demo in `runs/demo`; resumes an interrupted run."""
    start = (
        ["--resume"] if (RUN / "recipe.toml").exists() else ["--disc", "nad", "--loss", "ea-dists"]
    )
    command("train", *start, "--steps", str(STEPS), "--out", str(RUN))
    degrade_heldout()
    for name, restorer in (("bicubic", "bicubic"), ("restored", str(RUN))):
        out = str(RUN / "heldout" / name)
        existing = ("--existing", "overwrite")  # training may have continued since
        command("restore", str(LR), "--with", restorer, "--out", out, *existing, quiet=True)
    report({name: scores(RUN / "heldout" / name) for name in ("bicubic", "restored")})
    path = RUN / "before-after.png"
    write_picture(Picture(sheet()), path)
    print(f"\nBefore and after: {path}")


def command(*words: str, quiet: bool = False) -> str:
    """Runs `toolkit WORDS...`; returns its output if `quiet`, else shows it."""
    print(f"\n$ toolkit {shlex.join(words)}", flush=True)
    line = [sys.executable, "-m", "toolkit", *words]
    stdout = subprocess.PIPE if quiet else None
    process = subprocess.run(line, text=True, check=False, stdout=stdout)  # noqa: S603 - trusted
    if process.returncode:
        sys.exit(process.returncode)
    return process.stdout or ""


def degrade_heldout() -> None:
    """Makes LR images from the held-out photographs, with fixed seeds."""
    photos = toolkit.make("dataset", "photos:heldout")
    degradation = toolkit.make("degradation", "realesrgan")
    LR.mkdir(parents=True, exist_ok=True)
    HR.mkdir(parents=True, exist_ok=True)
    for index in range(len(photos)):
        sample = photos[index]
        name = Path(sample.name).with_suffix(".png")
        write_picture(Picture(degradation(sample.hr, stream(0, "heldout", index))), LR / name)
        write_picture(Picture(sample.hr), HR / name)


def scores(folder: Path) -> dict[str, dict[str, object]]:
    """Returns the results of `toolkit eval` for a folder, by metric."""
    options = [word for metric in METRICS for word in ("--metric", metric)]
    words = ("eval", "--sr", str(folder), "--hr", str(HR), *options, "--format", "json")
    metrics: dict[str, dict[str, object]] = json.loads(command(*words, quiet=True))["metrics"]
    return metrics


def report(results: dict[str, dict[str, dict[str, object]]]) -> None:
    """Prints a table of mean scores."""
    print("\nMean scores on the held-out photographs, degraded by realesrgan:\n")
    print(f"{'':12}" + "".join(f"{metric:>12}" for metric in METRICS))
    for name, metrics in results.items():
        print(f"{name:12}" + "".join(f"{metrics[metric]['mean']:12.4f}" for metric in METRICS))
    better = ", ".join(f"{metric} {results['bicubic'][metric]['direction']}" for metric in METRICS)
    print(f"\nBetter is: {better}.")


def sheet() -> torch.Tensor:
    """Returns crops of a few photographs: bicubic, restored and original; `[3, h, w]`."""
    rows = []
    for name in EXAMPLES:
        hr = read_rgb(HR / f"{name}.png")
        before = bicubic_resize(read_rgb(LR / f"{name}.png")[None], 4)[0].clamp(0, 1)
        after = read_rgb(next((RUN / "heldout" / "restored").rglob(f"{name}.png")))
        top, left = (hr.shape[1] - CROP) // 2, (hr.shape[2] - CROP) // 2
        crops = [x[:, top : top + CROP, left : left + CROP] for x in (before, after, hr)]
        rows.append(torch.cat(crops, dim=2))
    return torch.cat([titles("bicubic", "restored", "original"), *rows], dim=1)


def titles(*words: str) -> torch.Tensor:
    """Returns a header with a title for each column, `[3, 28, CROP * n]`."""
    strip = np.full((28, CROP * len(words), 3), 255, np.uint8)
    for column, word in enumerate(words):
        origin = (column * CROP + 8, 20)
        cv2.putText(strip, word, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return torch.from_numpy(strip).permute(2, 0, 1).float() / 255


if __name__ == "__main__":
    main()
