"""Memory and time of `toolkit restore` for outputs from 0.25 to 96 megapixels.

Each is restored in a process of its own. Memory should be flat, and time should grow in proportion.
For Linux.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from process_memory import forget_peak, peak_of_process
from side_by_side import document, save

import toolkit
from toolkit.images import Picture, bicubic_resize, write_picture
from toolkit.reporting.plots import COLOURS, curve_plot
from toolkit.restoring.folder import restore_files
from toolkit.restoring.jobs import Job
from toolkit.restoring.treatment import Treatment, colour_for

SIZES = (0.25, 1, 4, 12, 24, 48, 96)
RATIO = (3, 2)
STYLE = (
    "<style>text{font:12px sans-serif}.title{font-weight:600}path{fill:none}"
    ".grid{stroke:#ddd}.curve{stroke-width:2}</style><rect width='760' height='200' fill='#fff'/>"
)


def main() -> None:
    """Measures each size, and writes figures and plots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--with", dest="source", default="pocket")
    parser.add_argument("--sizes", type=float, nargs="+", default=SIZES, help="megapixels")
    parser.add_argument("--suffix", default=".jpg")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    parser.add_argument("--plot", type=Path, help="where to write the plot, as SVG")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.one:
        print(json.dumps(measure(args.source, args.one, args.suffix)))
        return
    rows = []
    for size in args.sizes:
        rows.append(run(args, size))
        print(
            f"{size:6g} MP  {rows[-1]['seconds']:8.1f} s  {rows[-1]['seconds'] / size:6.1f} s/MP  "
            f"peak {rows[-1]['peak_bytes'] / 1e9:.2f} GB",
            flush=True,
        )
    large = [row for row in rows if row["megapixels"] >= 4]
    if large:
        peaks = [row["peak_bytes"] for row in large]
        rates = [row["seconds"] / row["megapixels"] for row in large]
        spread = f"{min(rates):.2f} to {max(rates):.2f}"
        print(f"From 4 MP on: memory {max(peaks) / min(peaks):.2f}x, "
              f"{statistics.median(rates):.2f} s/MP ({spread})")  # fmt: skip
    settings = {"restorer": args.source, "suffix": args.suffix, "threads": args.threads}
    save(args.out, document("large-outputs", ("torch",), settings=settings, rows=rows))
    if args.plot:
        args.plot.write_text(plots(rows), encoding="utf-8")


def run(args: argparse.Namespace, size: float) -> dict[str, Any]:
    """Measures a size in a process of its own."""
    command = [sys.executable, __file__, f"--with={args.source}", f"--one={size}",
               f"--suffix={args.suffix}", f"--threads={args.threads}"]  # fmt: skip
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(source: str, megapixels: float, suffix: str) -> dict[str, Any]:
    """Restores an enlarged photograph to about this many megapixels."""
    loaded = toolkit.load(source, device="cpu")
    scale = loaded.scale
    unit = (megapixels * 1e6 / (RATIO[0] * RATIO[1])) ** 0.5 / scale
    height, width = round(RATIO[1] * unit), round(RATIO[0] * unit)
    photograph = toolkit.make("dataset", "photos")[0].hr[None]
    with tempfile.TemporaryDirectory() as folder:
        job = Job(Path(folder) / "in.png", Path(folder) / f"out{suffix}", fixed=True)
        write_picture(
            Picture(bicubic_resize(photograph, (height, width))[0].clamp(0, 1)), job.source
        )
        treatment = Treatment(colour=colour_for(loaded.restorer, None))
        forget_peak()
        begun, used = time.perf_counter(), time.process_time()
        [done] = restore_files(loaded.restorer, [job], treatment)
        seconds, busy = time.perf_counter() - begun, time.process_time() - used
    if done.error:
        raise done.error
    return {
        "megapixels": megapixels,
        "size": done.sr_size,
        "seconds": seconds,
        "processor_seconds": busy,
        "peak_bytes": peak_of_process(),
    }


def plots(rows: list[dict[str, Any]]) -> str:
    """Draws memory and time over the output's size."""
    found = []
    for title, key, unit in (
        ("Peak memory in GB, by thousands of pixels", "peak_bytes", 1e9),
        ("Seconds, by thousands of pixels", "seconds", 1.0),
    ):
        points = [(round(1000 * row["megapixels"]), row[key] / unit) for row in rows]
        found.append(curve_plot(title, {"": points}, {"": COLOURS[0]}, dots=True, zero=True))
    both = "".join(
        each.replace("<svg ", f'<svg x="{10 + 380 * number}" width="360" height="190" ', 1)
        for number, each in enumerate(found)
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="200">{STYLE}{both}</svg>\n'


if __name__ == "__main__":
    main()
