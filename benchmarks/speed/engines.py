"""Restoring on a processor by PyTorch and by ONNX Runtime, side by side.

Each engine restores in processes of its own, which take turns, round by round, in an order that
is reversed each time. What they restore must be equal within a step of 8 bits.

- torch: the network in PyTorch's usual layout.
- channels-last: the same, with weights and images in that layout.
- winograd: wide convolutions by `toolkit.winograd`, wherever it says that this pays.
- onnx: the graph of `toolkit export --to onnx`, in ONNX Runtime.

`sd21-decoder` is the decoder of SD2.1's autoencoder at its full size, with random weights.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from engine_sides import ENGINES, SYSTEMS, graph, work
from process_memory import forget_peak, peak_of_process
from safetensors.torch import load_file, save_file
from side_by_side import document, save

SETTINGS = ("side", "threads", "images")
TOLERANCE = 1 / 255


def main() -> None:
    """Measures seconds, processor time and memory for each system and engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--side", type=int, default=128, help="of an LR image, in pixels")
    parser.add_argument("--images", type=int, default=2, help="timed images of each process")
    parser.add_argument("--rounds", type=int, default=5, help="processes of each engine")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", nargs=3, metavar=("SYSTEM", "ENGINE", "FOLDER"),
                        help=argparse.SUPPRESS)  # fmt: skip
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.one:
        print(json.dumps(measure(*args.one, args)))
        return
    settings = {key: getattr(args, key) for key in (*SETTINGS, "rounds")}
    libraries = ("torch", "diffusers", "spandrel", "onnx", "onnxscript", "onnxruntime")
    found: dict[str, Any] = {}
    for system in args.systems:
        found[system] = compare(system, args)
        save(args.out, document("engines", libraries, settings=settings, systems=found))


def compare(system: str, args: argparse.Namespace) -> dict[str, Any]:
    """Runs all engines in turn; returns times, memory and differences."""
    runs: dict[str, list[dict[str, Any]]] = {engine: [] for engine in ENGINES}
    loads = []
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        graph(system, Path(folder))
        export_seconds = time.process_time() - begun
        for number in range(args.rounds):
            loads.append(os.getloadavg()[0])
            for engine in ENGINES if number % 2 else ENGINES[::-1]:
                runs[engine].append(run(system, engine, folder, args))
        results = {each: load_file(f"{folder}/{each}.safetensors")["sr"] for each in ENGINES}
    apart = {each: (results[each] - results["torch"]).abs().max().item() for each in ENGINES}
    if max(apart.values()) >= TOLERANCE:
        raise SystemExit(f"{system}: the engines differ: {apart}")
    found = {engine: summary(runs[engine], runs["torch"]) for engine in ENGINES}
    for engine in ENGINES:
        found[engine]["largest_difference_from_torch"] = apart[engine]
    tell(system, found)
    return {"processor_seconds_of_export": export_seconds, "load": loads, "engines": found}


def run(system: str, engine: str, folder: str, args: argparse.Namespace) -> dict[str, Any]:
    """Measures one engine in a process of its own."""
    settings = [f"--{key}={getattr(args, key)}" for key in SETTINGS]
    command = [sys.executable, __file__, *settings, "--one", system, engine, folder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(system: str, engine: str, folder: str, args: argparse.Namespace) -> dict[str, Any]:
    """Restores images, after one that is not counted; keeps the result beside the graph."""
    restore = work(system, engine, Path(folder), args.side)
    save_file({"sr": restore().contiguous()}, f"{folder}/{engine}.safetensors")
    forget_peak()
    seconds, processor = [], []
    for _ in range(args.images):
        begun, used = time.perf_counter(), time.process_time()
        restore()
        seconds.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
    return {"seconds": seconds, "processor_seconds": processor, "peak_bytes": peak_of_process()}


def summary(runs: list[dict[str, Any]], beside: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of all images, and ratios to PyTorch (above 1 where this is faster), by round."""
    found: dict[str, Any] = {"peak_bytes": max(each["peak_bytes"] for each in runs)}
    for key in ("seconds", "processor_seconds"):
        middles, others = (
            [statistics.median(each[key]) for each in side] for side in (runs, beside)
        )
        ratios = [b / a for a, b in zip(middles, others, strict=True)]
        found[key] = statistics.median(middles)
        found[f"{key}_of_rounds"] = middles
        found[f"ratio_of_{key}"] = {
            "median": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios),
        }  # fmt: skip
    return found


def tell(system: str, found: dict[str, Any]) -> None:
    """Prints a line for each engine."""
    for engine, each in found.items():
        ratios = (each[f"ratio_of_{key}"] for key in ("seconds", "processor_seconds"))
        told = [f"{r['median']:.2f}x ({r['lowest']:.2f} to {r['highest']:.2f})" for r in ratios]
        told.append(f"peak {each['peak_bytes'] / 1e6:.0f} MB")
        times = f"{each['seconds']:7.2f} s {told[0]:22}"
        print(f"{system:13} {engine:14} {times} processor "
              f"{each['processor_seconds']:7.2f} s {told[1]:22} {told[2]}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
