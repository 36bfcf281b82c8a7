"""Making LR images beside basicsr: the same crops, in turn, in one process."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from basicsr_pipeline import Published, seed_published
from side_by_side import document, line, save
from torch import Tensor

import toolkit
from toolkit.costs.timing import alternate, peak_bytes

LIBRARIES = ("torch", "torchvision", "opencv-python-headless", "restoration-toolkit-degradations")
SIZES = (512, 256)
_BATCHES_A_ROUND = 4


def main() -> None:
    """Measures each size: images a second, memory, and worker processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, action="append")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    found: dict[str, Any] = {}
    for size in args.size or SIZES:
        hr = crops(args.batch, size)
        found[str(size)] = compare(hr, args.rounds)
        tell(size, found[str(size)], args.batch)
    if torch.cuda.is_available():
        found["gpu"] = {str(size): on_gpu(crops(16, size)) for size in args.size or SIZES}
        print("GPU:", found["gpu"])
    found["workers"] = scaling(args.batch, max(args.size or SIZES))
    for count, rate in found["workers"].items():
        print(f"{count} worker processes: {rate:.1f} img/s")
    settings = {"batch": args.batch, "threads": args.threads, "parameters": "x4plus"}
    save(args.out, document("degradations", LIBRARIES, settings=settings, **found))


def compare(hr: Tensor, rounds: int) -> dict[str, Any]:
    """Times both, a few batches a round, each round with other draws; and memory."""
    theirs, ours = Published(hr.shape[-1]), toolkit.make("degradation", "realesrgan")
    kernels = [theirs.kernels(len(hr)) for _ in range(_BATCHES_A_ROUND)]
    turn = {"theirs": 0, "ours": 0}

    def run_theirs() -> None:
        turn["theirs"] += 1
        seed_published(turn["theirs"])
        for number in range(_BATCHES_A_ROUND):
            theirs(hr, kernels[number])

    def run_ours() -> None:
        turn["ours"] += 1
        for number in range(_BATCHES_A_ROUND):
            first = (turn["ours"] * _BATCHES_A_ROUND + number) * len(hr)
            ours.batch(hr, 0, range(first, first + len(hr)))

    found = asdict(alternate(run_theirs, run_ours, rounds))
    memory = {name: alone(name, hr) for name in ("theirs", "ours")}
    images = _BATCHES_A_ROUND * len(hr)
    rates = {name: images * len(each) / sum(each) for name, each in found["seconds"].items()}
    return found | {"peak_bytes": memory, "images_per_second": rates}


def alone(name: str, hr: Tensor) -> int | None:
    """Bytes at the peak of three batches, beyond the images, in a process of its own."""
    with _workers(1, len(hr), hr.shape[-1], torch.get_num_threads()) as pool:
        return pool.submit(_peak, name).result()


def _peak(name: str) -> int | None:
    hr = _STATE["hr"]
    if name == "ours":
        return peak_bytes(lambda: [_work(number) for number in range(3)])
    theirs = Published(hr.shape[-1])
    kernels = theirs.kernels(len(hr))
    return peak_bytes(lambda: [theirs(hr, kernels) for _ in range(3)])


def _workers(count: int, batch: int, size: int, threads: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        count,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(batch, size, threads),
    )


def scaling(batch: int, size: int) -> dict[str, float]:
    """Images a second of 1, 2, ... worker processes with one thread each, as data loaders have."""
    rates = {}
    for workers in range(1, (os.cpu_count() or 1) + 1):
        with _workers(workers, batch, size, threads=1) as pool:
            list(pool.map(_work, range(2 * workers)))  # imports, first touches
            begun = time.perf_counter()
            list(pool.map(_work, range(100, 100 + 12 * workers)))
            rates[str(workers)] = 12 * workers * batch / (time.perf_counter() - begun)
    return rates


_STATE: dict[str, Any] = {}


def _begin(batch: int, size: int, threads: int) -> None:
    torch.set_num_threads(threads)
    _STATE["hr"] = crops(batch, size)
    _STATE["degradation"] = toolkit.make("degradation", "realesrgan")


def _work(number: int) -> int:
    hr = _STATE["hr"]
    lr = _STATE["degradation"].batch(hr, 0, range(number * len(hr), (number + 1) * len(hr)))
    return int(lr.shape[0])


def on_gpu(hr: Tensor) -> float:
    """Images a second on the GPU; a training step at 512 px needs 16 of them."""
    degradation, hr = toolkit.make("degradation", "realesrgan"), hr.cuda()
    for number in range(12):
        if number == 2:
            torch.cuda.synchronize()
            begun = time.perf_counter()
        degradation.batch(hr, 0, range(number * len(hr), (number + 1) * len(hr)))
    torch.cuda.synchronize()
    return 10 * len(hr) / (time.perf_counter() - begun)


def crops(count: int, size: int) -> Tensor:
    """Middles of training photographs, `[count, 3, size, size]`."""
    photos = toolkit.make("dataset", "photos:train")
    found = []
    for index in range(len(photos)):
        hr = photos[index].hr
        if min(hr.shape[1:]) >= size:
            top, left = ((side - size) // 2 for side in hr.shape[1:])
            found.append(hr[:, top : top + size, left : left + size])
        if len(found) == count:
            break
    return torch.stack(found)


def tell(size: int, found: dict[str, Any], batch: int) -> None:
    """One size, for reading."""
    rates, memory = found["images_per_second"], found["peak_bytes"]
    print(line(f"{size} px", found))
    print(f"  images a second, batch {batch}: {rates['theirs']:.2f} and {rates['ours']:.2f}")
    if None not in memory.values():
        told = " and ".join(f"{each / 2**20:.0f} MB" for each in memory.values())
        print(f"  peak beyond what was held before: {told}")


if __name__ == "__main__":
    main()
