"""A training step with one frozen UNet for generator and discriminator, beside two copies.

Both in turn in one process for time; each in a process of its own for memory. Random weights.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from side_by_side import document, line, save

from toolkit.costs.timing import alternate
from toolkit.discovery import installed
from toolkit.recipe import compose, resolve
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.step import System, train_step


def main() -> None:
    """Measures time and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--backbone", default="sd21:random")
    parser.add_argument("--memory-of", choices=["theirs", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.memory_of:
        train(build(args, shared=args.memory_of == "ours"), args)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        return
    peaks = {name: peak_of(name, args) for name in ("theirs", "ours")}
    print("Peak of the process: " + ", ".join(f"{k} {v / 1e9:.2f} GB" for k, v in peaks.items()))
    copies, shared = build(args, shared=False), build(args, shared=True)
    trunk = sum(p.nbytes for p in copies.discriminator.trunk.parameters() if not p.requires_grad)
    print(f"The trunk's frozen weights: {trunk / 1e9:.2f} GB")
    losses = {"theirs": train(copies, args), "ours": train(shared, args)}
    difference = max(abs(losses["theirs"][name] - losses["ours"][name]) for name in losses["ours"])
    found = asdict(alternate(lambda: train(copies, args), lambda: train(shared, args), args.rounds))
    print(line("sharing", found))
    settings = {key: getattr(args, key) for key in ("crop", "batch", "threads", "backbone")}
    content = document(
        "sharing",
        ("torch", "diffusers", "peft"),
        settings=settings,
        **found,
        peak_process_bytes=peaks,
        trunk_bytes=trunk,
        largest_difference_of_a_loss=difference,
    )
    save(args.out, content)


def build(args: argparse.Namespace, *, shared: bool) -> System:
    """A system with EA-DISTS and NAD, with checkpointing."""
    flags = {"backbone": args.backbone, "train.batch": args.batch}
    options = [f"train.crop={args.crop}", "backbone.checkpointing=true", "train.precision=float32"]
    options += [f"disc.share={str(shared).lower()}"]
    return build_system(resolve(compose({}, flags, options), installed()), installed())


def train(system: System, args: argparse.Namespace) -> dict[str, float]:
    """One step, always on the same images and draws."""
    rng = torch.Generator().manual_seed(0)
    hr = torch.rand(args.batch, 3, args.crop, args.crop, generator=rng)
    return train_step(system, Batch(torch.nn.functional.avg_pool2d(hr, 4), hr), 0).losses


def peak_of(name: str, args: argparse.Namespace) -> int:
    """Bytes at the peak of a process that builds it and takes one step."""
    settings = [f"--{key}={getattr(args, key)}" for key in ("crop", "batch", "threads", "backbone")]
    command = [sys.executable, __file__, *settings, f"--memory-of={name}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return int(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
