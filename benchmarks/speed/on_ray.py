"""Images a second on a Ray cluster of this machine, with one worker and with several.

Each worker computes on one thread. The rate is that between the first results and the last, without
the start of the workers, which is given beside it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from side_by_side import document, save

LIBRARIES = ("torch", "ray", "restoration-toolkit-restorers")


def main() -> None:
    """Restores the same images in this process and on Ray, and tells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--with", dest="restorer", default="pocket")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # before PyTorch is imported, here and in the workers

    with tempfile.TemporaryDirectory() as folder:
        scans = Path(folder, "scans")
        make_images(scans, args.images, args.side)
        rows = measure(scans, args)
    for row in rows:
        print(
            f"{row['where']:12} {row['images_per_second']:.3f} images/s, {row['seconds']:.1f} s in "
            f"all, of which {row['seconds_to_first']:.1f} s until the first result"
        )
    settings = {key: value for key, value in vars(args).items() if key != "out"}
    load = dict(zip(("1 min", "5 min", "15 min"), os.getloadavg(), strict=True))
    save(args.out, document("on-ray", LIBRARIES, settings=settings, load_average=load, rows=rows))


def make_images(folder: Path, count: int, side: int) -> None:
    """Writes PNG files of parts of the shipped photographs, reduced."""
    import toolkit
    from toolkit.images import Picture, bicubic_resize, write_picture

    folder.mkdir()
    photos = toolkit.make("dataset", "photos")
    for number in range(count):
        hr = photos[number % len(photos)].hr
        crop = min(*hr.shape[1:])
        lr = bicubic_resize(hr[None, :, :crop, :crop], (side, side))[0].clamp(0, 1)
        write_picture(Picture(lr), folder / f"{number:03}.png")


def measure(scans: Path, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Restores in turn in this process and on Ray; the files must be the same."""
    import toolkit
    from toolkit.restoring.folder import Files, restore_files
    from toolkit.restoring.jobs import plan_jobs
    from toolkit.restoring.on_ray import Opening, restore_on_ray
    from toolkit.restoring.ray_cluster import check_ray, connected
    from toolkit.restoring.treatment import Treatment

    treatment, restorer = Treatment(colour="wavelet"), toolkit.make("restorer", args.restorer)
    rows, expected = [], {}
    check_ray()
    with connected("local"):
        for repeat in range(args.repeats):
            for workers in (0, *args.workers):
                out = scans.with_name(f"{workers}-{repeat}")
                jobs = plan_jobs([scans], out)
                if workers:
                    opening = Opening(args.restorer, {}, treatment, Files(), "cpu")
                    row = timed(
                        workers,
                        lambda told: restore_on_ray(opening, jobs, workers=workers, on_event=told),  # noqa: B023
                    )
                else:
                    row = timed(
                        1,
                        lambda told: restore_files(restorer, jobs, treatment, on_event=told),  # noqa: B023
                    )
                rows.append({"where": f"{workers} workers" if workers else "one process", **row})
                made = {path.name: path.read_bytes() for path in out.iterdir()}
                expected = expected or made
                if made != expected or len(made) != args.images:
                    raise SystemExit(f"The results of {rows[-1]['where']} differ.")
    return rows


def timed(at_once: int, work: Callable[[Callable[[Any], None]], object]) -> dict[str, float]:
    """Seconds, and the rate after the first result of each of `at_once` workers."""
    ends: list[float] = []
    begun = time.perf_counter()
    work(lambda progress: ends.append(time.perf_counter()) if progress.result else None)
    return {
        "seconds": time.perf_counter() - begun,
        "seconds_to_first": ends[0] - begun,
        "images_per_second": (len(ends) - at_once) / (ends[-1] - ends[at_once - 1]),
    }


if __name__ == "__main__":
    main()
