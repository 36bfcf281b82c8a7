"""EA-DISTS, forward and backward, beside two calls of pyiqa's DISTS, on images and edge maps.

Same weights, same images, same threads, in turn. The most memory that each needs is read in
processes of their own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import theirs
import torch
from side_by_side import document, line, save
from torch import Tensor

import toolkit
from toolkit.costs.timing import alternate, peak_bytes
from toolkit.images import bicubic_resize
from toolkit.streams import stream
from toolkit_losses.edge_aware import sobel

Loss = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    """Measures time, memory and agreement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--memory-of", choices=["theirs", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    x, y = (each.to(args.device) for each in photographs(args.batch, args.size))
    losses: dict[str, Loss] = {"theirs": pyiqa_loss(args.device), "ours": our_loss(args.device)}
    if args.memory_of:
        step(losses[args.memory_of], x[..., :32, :32], y[..., :32, :32])  # loads the weights
        print(memory_of_step(losses[args.memory_of], x, y))
        return
    agreement = agree(losses, x, y)
    taken = alternate(
        lambda: step(losses["theirs"], x, y), lambda: step(losses["ours"], x, y), args.rounds
    )
    found = asdict(taken)
    print(line("ea-dists", found))
    told = (f"{name}s {difference:.1e}" for name, difference in agreement.items())
    print("Largest differences: " + ", ".join(told))
    found |= {"largest_difference": agreement}
    if args.device == "cpu":
        found["peak_memory_bytes"] = memory = peak_memory(args)
        print("Peak memory: " + ", ".join(f"{k} {v / 1e6:.0f} MB" for k, v in memory.items()))
    settings = {key: getattr(args, key) for key in ("batch", "size", "threads", "device")}
    libraries = ("torch", "torchvision", "pyiqa")
    save(args.out, document("ea-dists", libraries, settings=settings, **found))


def photographs(batch: int, size: int) -> tuple[Tensor, Tensor]:
    """Enlarged LR crops of held-out photographs, and the crops, `[batch, 3, size, size]`."""
    photos = toolkit.make("dataset", "photos:heldout")
    degradation = toolkit.make("degradation", "realesrgan")
    hr = [photos[i % len(photos)].hr[:, :size, :size] for i in range(batch)]
    lr = [degradation(each, stream(0, "benchmark", i)) for i, each in enumerate(hr)]
    return bicubic_resize(torch.stack(lr), 4).clamp(0, 1), torch.stack(hr)


def pyiqa_loss(device: str) -> Loss:
    """DISTS of the images plus DISTS of their edge maps, by pyiqa's module."""
    module = theirs.dists().to(device)
    return lambda x, y: (module(x, y) + module(sobel(x), sobel(y))).flatten()


def our_loss(device: str) -> Loss:
    """EA-DISTS; in bfloat16 and compiled on a GPU, in float32 on a processor."""
    loss = toolkit.make("loss", "ea-dists")
    if device == "cpu":
        ready: Loss = loss
        return ready
    compiled = torch.compile(loss)

    def half(x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast(device, torch.bfloat16):
            distance: Tensor = compiled(x, y)
        return distance

    return half


def step(loss: Loss, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The distances, and their gradient to the prediction."""
    x = x.detach().requires_grad_()
    distances = loss(x, y)
    (gradient,) = torch.autograd.grad(distances.sum(), x)
    if x.is_cuda:
        torch.cuda.synchronize()
    return distances.detach(), gradient


def agree(losses: dict[str, Loss], x: Tensor, y: Tensor) -> dict[str, float]:
    """The largest differences of both in values and gradients."""
    theirs, ours = step(losses["theirs"], x, y), step(losses["ours"], x, y)
    differences = [(a - b).abs().max().item() for a, b in zip(theirs, ours, strict=True)]
    return dict(zip(("value", "gradient"), differences, strict=True))


def memory_of_step(loss: Loss, x: Tensor, y: Tensor) -> int:
    """Bytes at the peak of a step, beyond what the process held before; Linux alone tells them."""
    return peak_bytes(lambda: step(loss, x, y)) or 0


def peak_memory(args: argparse.Namespace) -> dict[str, int]:
    """Bytes that a step needs, each in a process of its own."""
    settings = [f"--{key}={getattr(args, key)}" for key in ("batch", "size", "threads", "device")]
    peaks: dict[str, int] = {}
    for name in ("theirs", "ours"):
        command = [sys.executable, __file__, *settings, f"--memory-of={name}"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        peaks[name] = int(done.stdout.split()[-1])
    return peaks


if __name__ == "__main__":
    main()
