"""A training step with NAD and EA-DISTS, beside the same step by diffusers, peft and pyiqa alone.

Each side trains in processes of its own, in turn: it takes three steps from the same weights, on
the same images with the same draws, whose losses and weights must agree with the other side's;
then steps that are timed. `--breakdown` also tells where our time goes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import breakdown
import torch
from process_memory import forget_peak, peak_of_process
from safetensors.torch import load_file, save_file
from side_by_side import document, save
from step_sides import PARTS, Ours, Theirs, apart, gradients, photographs, recipe, weights

SIDES = ("theirs", "ours")
CHECKED = 3
"""Steps whose losses and weights are compared."""
LOSS_TOLERANCE, GRADIENT_TOLERANCE, WEIGHT_TOLERANCE = 1e-4, 2e-2, 2.5e-1
"""Largest relative differences. The perceptual loss amplifies rounding: with random weights of
SD2.1, an input that is rounded otherwise, by 1e-7, changes our own gradient by 5e-3. That of
weights is relative to how far they moved: rounding decides the sign of the smallest gradients, and
AdamW moves all weights alike."""
PAPER = "100,000 steps of 16 crops of 512 px, on four A100 with 40 GB; it does not say how long"
SETTINGS = ("backbone", "crop", "batch", "threads", "device", "precision", "checkpointing")


def main() -> None:
    """Measures time and memory, and checks that both do the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="sd21:random")
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="processes of each side")
    parser.add_argument("--steps", type=int, default=3, help="timed steps of each process")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--checkpointing", choices=["true", "false"], default="false")
    parser.add_argument("--breakdown", action="store_true", help="where our time goes, too")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.side:
        print(json.dumps(measure(args)))
        return
    found = compare(args)
    if args.breakdown:
        found["breakdown"] = breakdown.of_step(recipe(args), args.steps)
        print(breakdown.as_lines(found["breakdown"]))
    settings = {key: getattr(args, key) for key in SETTINGS}
    libraries = ("torch", "torchvision", "diffusers", "peft", "pyiqa")
    save(args.out, document("training-step", libraries, settings=settings, **found))


def compare(args: argparse.Namespace) -> dict[str, Any]:
    """Runs both sides in turn; returns times, memory and differences."""
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    differences: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.rounds):
            for side in SIDES if number % 2 else SIDES[::-1]:
                runs[side].append(run(side, args, Path(folder)))
            losses = {side: runs[side][-1]["losses"] for side in SIDES}
            differences.append(agree(losses, Path(folder), exact=args.precision == "float32"))
    told = ", ".join(f"{name} {value:.1e}" for name, value in differences[-1].items())
    print(f"Losses of step {CHECKED}: {runs['ours'][-1]['losses'][-1]}")
    print(f"Relative differences of {CHECKED} steps: {told}")
    seconds = {side: [each["seconds"] for each in runs[side]] for side in SIDES}
    processor = {side: [each["processor_seconds"] for each in runs[side]] for side in SIDES}
    peaks = {side: max(each["peak_bytes"] for each in runs[side]) for side in SIDES}
    found = {
        "ratio": ratio(seconds),
        "ratio_of_processor_time": ratio(processor),
        "memory_ratio": peaks["ours"] / peaks["theirs"],
        "seconds": seconds,
        "processor_seconds": processor,
        "peak_bytes": peaks,
        "relative_differences": differences[-1],
    }
    tell(found)
    return found


def tell(found: dict[str, Any]) -> None:
    """Prints times and memory."""
    for side in SIDES:
        middle = statistics.median(itertools.chain(*found["seconds"][side]))
        hours = middle * 100_000 / 3600
        peak = found["peak_bytes"][side] / 1e9
        print(f"{side:7} {middle:8.3f} s a step, {hours:9.1f} h for 100,000; peak {peak:.2f} GB")
    for name in ("ratio", "ratio_of_processor_time"):
        each = found[name]
        spread = f"{each['lowest']:.2f} to {each['highest']:.2f}"
        print(f"{name.replace('_', ' ')}: {each['median']:.2f}x ({spread})")
    print(f"memory: {found['memory_ratio']:.2f}x")
    print(f"The paper: {PAPER}")


def ratio(seconds: dict[str, list[list[float]]]) -> dict[str, float]:
    """Theirs / ours: of the medians of all, and of each round."""
    rounds = [
        statistics.median(a) / statistics.median(b)
        for a, b in zip(seconds["theirs"], seconds["ours"], strict=True)
    ]
    theirs, ours = (statistics.median(itertools.chain(*seconds[side])) for side in SIDES)
    return {"median": theirs / ours, "lowest": min(rounds), "highest": max(rounds)}


def run(side: str, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Measures a side in a process of its own."""
    settings = [f"--{key}={getattr(args, key)}" for key in (*SETTINGS, "steps")]
    command = [sys.executable, __file__, *settings, f"--side={side}"]
    command.append(f"--weights={folder / side}.safetensors")
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def agree(losses: dict[str, Any], folder: Path, *, exact: bool) -> dict[str, float]:
    """The largest relative differences: of losses, of the first gradients, and of weights.

    Raises:
        SystemExit: One is larger than rounding explains.
    """
    pairs = list(zip(*(losses[side] for side in SIDES), strict=True))
    found = {
        name: max(abs(a[name] - b[name]) / abs(b[name]) for a, b in pairs) for name in pairs[0][0]
    }
    tolerances = dict.fromkeys(found, LOSS_TOLERANCE)
    found |= apart(*(load_file(folder / f"{side}.safetensors") for side in SIDES))
    for part in PARTS:
        tolerances[f"{part}'s gradients"] = GRADIENT_TOLERANCE
        tolerances[f"{part}'s weights"] = WEIGHT_TOLERANCE
    too_large = {name: value for name, value in found.items() if value > tolerances[name]}
    if exact and too_large:
        raise SystemExit(f"The sides differ: {too_large}")
    return found


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Builds a side, takes the steps that are compared, then those that are timed."""
    side = Ours(args) if args.side == "ours" else Theirs(args)
    batch = photographs(args.batch, args.crop).to(torch.device(args.device))
    forget_peak()
    losses = [side.step(batch, 0)]
    first = gradients(side.trained())
    losses += [side.step(batch, number) for number in range(1, CHECKED)]
    save_file(first | weights(side.trained()), args.weights)
    taken, busy = [], []
    for number in range(CHECKED, CHECKED + args.steps):
        begun, used = time.perf_counter(), time.process_time()
        side.step(batch, number)  # reads the losses, which waits for a GPU
        taken.append(time.perf_counter() - begun)
        busy.append(time.process_time() - used)
    return {
        "losses": losses,
        "seconds": taken,
        "processor_seconds": busy,
        "peak_bytes": peak_of_process(),
    }


if __name__ == "__main__":
    main()
