"""Training from 100,000 photographs in tar shards: does the step wait, and does memory grow?

The step is a pause of fixed length without work for the cores, as an accelerator makes them have.
For Linux.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import random
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from side_by_side import document, save
from torch.nn.functional import interpolate

import toolkit
from toolkit.training.data import Batch, Pairs, batches

LIBRARIES = ("torch", "restoration-toolkit-shards", "restoration-toolkit-degradations")
_SIDE = 256
_DIFFERENT = 400
_SMALL = (0.4, 1.0)
"""Range of sizes to which photographs are reduced before they are cropped."""


def main() -> None:
    """Makes the shards, streams from them for a while, and tells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=int, default=100_000)
    parser.add_argument("--per-shard", type=int, default=1000)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--step", type=float, default=0.25, help="seconds of a step")
    parser.add_argument("--seconds", type=float, default=900.0, help="how long to stream")
    parser.add_argument("--every", type=float, default=30.0, help="seconds between rows")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ahead", type=int, default=4, help="batches that a worker prepares")
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--visit", type=int, default=32, help="small, to meet all shards soon")
    parser.add_argument("--degradation", default="realesrgan")
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)  # each worker has a core
    with tempfile.TemporaryDirectory() as folder:
        size = make_shards(Path(folder), args.photographs, args.per_shard)
        print(f"{args.photographs} photographs, {size / 1e9:.2f} GB")
        begun = time.perf_counter()
        pairs = open_pairs(Path(folder), args)
        opened = time.perf_counter() - begun
        rows = list(stream_for(pairs, args))
    found = summary(rows)
    print(
        f"Busy {found['busy']:.1%} of the time, {found['images_per_second']:.1f} images/s; memory "
        f"{found['own_bytes']['early'] / 1e6:.0f} MB early, {found['own_bytes']['late'] / 1e6:.0f} "
        "MB late"
    )
    settings = {key: value for key, value in vars(args).items() if key != "out"}
    save(
        args.out,
        document(
            "streaming", LIBRARIES,
            settings=settings, bytes=size, seconds_to_open=opened, **found, rows=rows,
        ),
    )  # fmt: skip


def make_shards(folder: Path, count: int, per_shard: int) -> int:
    """Writes tar files of JPEG crops of the shipped photographs; returns their bytes."""
    images = encodings()
    for first in range(0, count, per_shard):
        with tarfile.open(folder / f"{first // per_shard:05}.tar", "w") as tar:
            for number in range(first, min(first + per_shard, count)):
                data = images[number % len(images)]
                member = tarfile.TarInfo(f"{number:08}.jpg")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return sum(path.stat().st_size for path in folder.iterdir())


def encodings() -> list[bytes]:
    """Different JPEG files, of several places, sizes and qualities."""
    rng, photos = random.Random(0), toolkit.make("dataset", "photos")  # noqa: S311 - no secret
    found = []
    for number in range(_DIFFERENT):
        hr = photos[number % len(photos)].hr
        factor = max(rng.uniform(*_SMALL), _SIDE / min(hr.shape[1:]))
        hr = interpolate(hr[None], scale_factor=factor, mode="area")[0]
        top, left = (rng.randint(0, side - _SIDE) for side in hr.shape[1:])
        crop = hr[:, top : top + _SIDE, left : left + _SIDE]
        pixels = (crop * 255).round().byte().permute(1, 2, 0).numpy()
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=rng.randint(75, 95))
        found.append(stream.getvalue())
    return found


def open_pairs(folder: Path, args: argparse.Namespace) -> Pairs:
    """The dataset and its degradation, as a training makes them."""
    last = (args.photographs - 1) // args.per_shard
    urls = f"{folder}/{{00000..{last:05}}}.tar"
    data = {"use": "shards", "urls": urls, "group": args.group, "visit": args.visit}
    degradation = toolkit.make("degradation", args.degradation)
    return Pairs(toolkit.make("dataset", data), degradation, args.crop, 0)


def stream_for(pairs: Pairs, args: argparse.Namespace) -> Iterator[dict[str, float]]:
    """Takes steps, and yields a row of figures every so often. The first batch starts the clock."""
    last = 100 + int(args.seconds / args.step)
    source: Iterator[Batch] = batches(
        pairs, 0, last, args.batch, workers=args.workers, ahead=args.ahead
    )
    next(source)
    begun = told = time.perf_counter()
    waited, steps = 0.0, 0
    print("seconds  steps   busy  images/s  processes  RSS MB  PSS MB  own MB")
    for step in itertools.count(1):
        time.sleep(args.step)
        waited += timed(lambda: next(source))
        now = time.perf_counter()
        if now - told < args.every and now - begun < args.seconds:
            continue
        passed = now - told
        row = {
            "seconds": now - begun,
            "steps": step,
            "busy": 1 - waited / passed,
            "images_per_second": (step - steps) * args.batch / passed,
            **memory(),
        }
        print(
            f"{row['seconds']:7.0f} {step:6} {row['busy']:6.1%} {row['images_per_second']:9.1f} "
            f"{row['processes']:10} {row['rss_bytes'] / 1e6:7.0f} {row['pss_bytes'] / 1e6:7.0f} "
            f"{row['own_bytes'] / 1e6:7.0f}",
            flush=True,
        )
        yield row
        if now - begun >= args.seconds:
            return
        told, waited, steps = time.perf_counter(), 0.0, step


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def memory() -> dict[str, int]:
    """Memory of this process and its workers, in bytes.

    `rss` counts shared pages in each process, `pss` once, and `own` without mapped files, such as
    PyTorch's libraries, whose pages other programs may share or not.
    """
    found = [rollup(pid) for pid in (os.getpid(), *(each.pid for each in active_children()))]
    return {
        "processes": len(found),
        "rss_bytes": sum(each["Rss"] for each in found),
        "pss_bytes": sum(each["Pss"] for each in found),
        "own_bytes": sum(each["Pss_Anon"] + each["Pss_Shmem"] for each in found),
    }


def rollup(pid: int | None) -> dict[str, int]:
    """What Linux tells of a process's memory, in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    return {
        name: int(rest.split()[0]) * 1024 for name, _, rest in (x.partition(":") for x in lines)
    }


def summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    """The whole run in a few figures; memory early and late, without the first row."""
    ends = [row["seconds"] for row in rows]
    passed = [end - begun for begun, end in zip([0.0, *ends], ends, strict=False)]
    settled = [row["own_bytes"] for row in rows[1:] or rows]
    quarter = max(1, len(settled) // 4)
    return {
        "busy": mean([row["busy"] for row in rows], passed),
        "images_per_second": mean([row["images_per_second"] for row in rows], passed),
        "own_bytes": {
            "early": statistics.median(settled[:quarter]),
            "late": statistics.median(settled[-quarter:]),
            "peak": max(row["own_bytes"] for row in rows),
        },
    }


def mean(values: list[float], weights: list[float]) -> float:
    """A weighted mean."""
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)


if __name__ == "__main__":
    main()
