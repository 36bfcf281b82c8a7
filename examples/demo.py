"""The toolkit end to end, in a few minutes: train, restore held-out photographs, measure, look.

Every step is a command that you can type yourself; it is printed before it runs.
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
SHOWN = ("hedgehog", "red-panda", "carcassonne-walls", "sally-lightfoot-crab")
CROP = 256
"""Side of the crops on the sheet, in HR pixels."""


def main() -> None:
    """Runs the demo in `runs/demo`; a second run goes on where the first one was stopped."""
    start = (
        ["--resume"] if (RUN / "recipe.toml").exists() else ["--disc", "nad", "--loss", "ea-dists"]
    )
    command("train", *start, "--steps", str(STEPS), "--out", str(RUN))
    degrade_heldout()
    for name, restorer in (("bicubic", "bicubic"), ("restored", str(RUN))):
        out = str(RUN / "heldout" / name)
        again = ("--existing", "overwrite")  # as the run may have been trained on since
        command("restore", str(LR), "--with", restorer, "--out", out, *again, quiet=True)
    report({name: scores(RUN / "heldout" / name) for name in ("bicubic", "restored")})
    path = RUN / "before-after.png"
    write_picture(Picture(sheet()), path)
    print(f"\nBefore and after: {path}")


def command(*words: str, quiet: bool = False) -> str:
    """Runs `toolkit WORDS...`, and gives what it printed where that is not shown."""
    print(f"\n$ toolkit {shlex.join(words)}", flush=True)
    line = [sys.executable, "-m", "toolkit", *words]
    stdout = subprocess.PIPE if quiet else None
    done = subprocess.run(line, text=True, check=False, stdout=stdout)  # noqa: S603 - our own words
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout or ""


def degrade_heldout() -> None:
    """Makes LR images of the held-out photographs, always the same."""
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
    """What `toolkit eval` says of a folder, metric by metric."""
    chosen = [word for metric in METRICS for word in ("--metric", metric)]
    words = ("eval", "--sr", str(folder), "--hr", str(HR), *chosen, "--format", "json")
    found: dict[str, dict[str, object]] = json.loads(command(*words, quiet=True))["metrics"]
    return found


def report(figures: dict[str, dict[str, dict[str, object]]]) -> None:
    """Prints the means of both, side by side."""
    print("\nMeans over the held-out photographs, degraded by realesrgan:\n")
    print(f"{'':12}" + "".join(f"{metric:>12}" for metric in METRICS))
    for name, metrics in figures.items():
        print(f"{name:12}" + "".join(f"{metrics[metric]['mean']:12.4f}" for metric in METRICS))
    better = ", ".join(f"{metric} {figures['bicubic'][metric]['direction']}" for metric in METRICS)
    print(f"\nBetter is: {better}.")


def sheet() -> torch.Tensor:
    """Crops of a few photographs: enlarged by bicubic, restored, original; `[3, h, w]`."""
    rows = []
    for name in SHOWN:
        hr = read_rgb(HR / f"{name}.png")
        before = bicubic_resize(read_rgb(LR / f"{name}.png")[None], 4)[0].clamp(0, 1)
        after = read_rgb(next((RUN / "heldout" / "restored").rglob(f"{name}.png")))
        top, left = (hr.shape[1] - CROP) // 2, (hr.shape[2] - CROP) // 2
        crops = [x[:, top : top + CROP, left : left + CROP] for x in (before, after, hr)]
        rows.append(torch.cat(crops, dim=2))
    return torch.cat([titles("bicubic", "restored", "original"), *rows], dim=1)


def titles(*words: str) -> torch.Tensor:
    """A strip with a title above each column, `[3, 28, CROP * n]`."""
    strip = np.full((28, CROP * len(words), 3), 255, np.uint8)
    for column, word in enumerate(words):
        place = (column * CROP + 8, 20)
        cv2.putText(strip, word, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return torch.from_numpy(strip).permute(2, 0, 1).float() / 255


if __name__ == "__main__":
    main()
