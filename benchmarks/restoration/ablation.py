"""What the method stands on, at pocket's scale: with and without NAD, by MSE and by EA-DISTS.

Trains each combination with several seeds, all else as the shipped recipe has it, and measures it
on the held-out photographs. Stopped, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from heldout import load, measure

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))

from side_by_side import document, save

from toolkit.bench.statistics import bootstrap_interval, mean
from toolkit.weights import write_atomically

COMBINATIONS = (("none", "mse"), ("none", "ea-dists"), ("nad", "mse"), ("nad", "ea-dists"))
QUESTIONS = {
    "nad in place of none, by mse": ("nad-mse", "none-mse"),
    "nad in place of none, by ea-dists": ("nad-ea-dists", "none-ea-dists"),
    "ea-dists in place of mse, against none": ("none-ea-dists", "none-mse"),
    "ea-dists in place of mse, against nad": ("nad-ea-dists", "nad-mse"),
}
SHOWN = ("psnr-y", "ssim-y", "lpips", "dists", "niqe", "lattice:4")
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Student's t for an interval of 95 %, by the number of seeds."""

Runs = dict[str, list[dict[str, list[float]]]]
"""By combination: for each seed, the figures of each photograph by metric."""


def main() -> None:
    """Trains what is not yet trained, measures, prints and keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="recipe to vary")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--pixels-until", type=int, default=400, help="steps by pixels alone")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    args = parser.parse_args()
    runs: Runs = {}
    for seed in range(args.seeds):  # seed by seed, so that an early end has whole sets
        for disc, loss in COMBINATIONS:
            folder = args.runs / f"{disc}-{loss}-{seed}"
            train(args, folder, disc, loss, seed)
            runs.setdefault(f"{disc}-{loss}", []).append(figures(folder))
    told = {"combinations": summary(runs), "differences": differences(runs)}
    print(json.dumps(told, indent=1))
    settings = {name: getattr(args, name) for name in ("steps", "pixels_until", "seeds")}
    content = document(
        "ablation", ("torch", "diffusers", "peft"), settings=settings, **told, figures=runs
    )
    save(args.out, content)


def train(args: argparse.Namespace, folder: Path, disc: str, loss: str, seed: int) -> None:
    """Trains one run to its end, from where it stands."""
    words = ["--resume"] if (folder / "recipe.toml").is_file() else [
        "--config", str(args.config), "--disc", disc, "--loss", loss, "--seed", str(seed),
        "--steps", str(args.steps), "--set", f"objective.pixels_until={args.pixels_until}",
        "--set", "train.sample_every=0",
    ]  # fmt: skip
    line = [sys.executable, "-m", "toolkit", "train", *words, "--out", str(folder)]
    subprocess.run(line, check=True)  # noqa: S603 - our own words


def figures(folder: Path) -> dict[str, list[float]]:
    """Of a run on the held-out photographs under realesrgan; measured once, then read."""
    kept = folder / "heldout.json"
    if not kept.is_file():
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        asked = argparse.Namespace(
            data="photos:heldout", part=None, degradation=["realesrgan"], first=None, keep=None
        )
        found, _ = measure(asked, {"run": load(str(folder), device)}, device)
        write_atomically(kept, json.dumps(found["realesrgan"]["run"]).encode())
    content: dict[str, list[float]] = json.loads(kept.read_text())
    return content


def summary(runs: Runs) -> dict[str, Any]:
    """Of each combination: the mean over seeds and photographs, and each seed's own mean."""
    return {
        name: {
            metric: {
                "mean": mean([mean(run[metric]) for run in seeds]),
                "seeds": [mean(run[metric]) for run in seeds],
                "interval over photographs": bootstrap_interval(over_seeds(seeds, metric)),
            }
            for metric in SHOWN
        }
        for name, seeds in runs.items()
    }


def differences(runs: Runs) -> dict[str, Any]:
    """What each exchange of one part changes: the same seeds, the same photographs."""
    told: dict[str, Any] = {}
    for question, (new, old) in QUESTIONS.items():
        told[question] = {}
        for metric in SHOWN:
            each = [
                mean(a[metric]) - mean(b[metric]) for a, b in zip(runs[new], runs[old], strict=True)
            ]
            pairs = zip(over_seeds(runs[new], metric), over_seeds(runs[old], metric), strict=True)
            told[question][metric] = {
                "mean": mean(each),
                "seeds": each,
                "interval over seeds": over_runs(each),
                "interval over photographs": bootstrap_interval([a - b for a, b in pairs]),
            }
    return told


def over_seeds(seeds: Sequence[Mapping[str, list[float]]], metric: str) -> list[float]:
    """Each photograph's mean over the seeds."""
    return [mean(each) for each in zip(*(run[metric] for run in seeds), strict=True)]


def over_runs(values: list[float]) -> tuple[float, float] | None:
    """Student's interval of the mean of a few runs; None where their number is not foreseen."""
    if len(values) not in T_95:
        return None
    reach = T_95[len(values)] * statistics.stdev(values) / len(values) ** 0.5
    return mean(values) - reach, mean(values) + reach


if __name__ == "__main__":
    main()
