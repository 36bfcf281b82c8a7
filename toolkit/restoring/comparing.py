"""Sheets that show the results of several restorers side by side."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from toolkit.images import Picture, bicubic_resize, read_picture, write_picture
from toolkit.images.sheets import draw_grid
from toolkit.restoring.folder import Restored, run_jobs
from toolkit.restoring.pictures import restore_picture, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from toolkit.interfaces import Restorer
    from toolkit.restoring.folder import Existing, Progress
    from toolkit.restoring.jobs import Job
    from toolkit.restoring.tiles import OnTile
    from toolkit.restoring.treatment import Treatment

_CELL = 480
"""Longest side of a cell, in pixels."""


def compare_files(
    restorers: Mapping[str, tuple[Restorer, Treatment]],
    jobs: Iterable[Job],
    *,
    device: torch.device | None = None,
    existing: Existing = "overwrite",
    on_event: Callable[[Progress], None] | None = None,
) -> list[Restored]:
    """Writes a sheet for each image: the enlarged input beside each restorer's result.

    Above are the whole images, below the part in which the results differ most, at its full size.

    Args:
        restorers: By name, already on `device`, with what is asked of each.
        jobs: From `plan_jobs`.
        device: Device of the restorers; None for the CPU.
        existing: See `restore_files`.
        on_event: Called with all progress.

    Raises:
        UsageError: See `restore_files`.
    """
    for restorer, treatment in restorers.values():
        treatment.check(restorer)

    def work(job: Job, on_tile: OnTile) -> Restored:
        picture = read_picture(job.source)
        notes, labels, results = list(picture.notes), ["input, enlarged"], []
        for name, (restorer, treatment) in restorers.items():
            begun = time.perf_counter()
            restored, further = restore_picture(
                restorer, picture, treatment, device=device, on_tile=on_tile
            )
            labels.append(f"{name}, {time.perf_counter() - begun:.1f} s")
            results.append(restored.rgb)
            notes += [f"{name}: {note}" for note in further]
        sheet = Picture(draw_comparison(picture.rgb, results, labels))
        notes += write_picture(sheet, job.destination)
        return Restored(job, size_of(picture), size_of(sheet), notes=tuple(notes))

    return run_jobs(jobs, work, existing=existing, on_event=on_event)


def draw_comparison(lr: Tensor, results: list[Tensor], labels: list[str]) -> Tensor:
    """Draws a sheet of two rows.

    Args:
        lr: `[3, h, w]`, in [0, 1].
        results: `[3, H, W]`, in [0, 1]; smaller ones are enlarged to the size of the largest.
        labels: One for the input, and one for each result.

    Returns:
        `[3, H', W']`, in [0, 1].
    """
    height, width = max(tuple(result.shape[1:]) for result in results)
    images = [_resized(image, (height, width)) for image in (lr, *results)]
    factor = min(1.0, _CELL / max(height, width))
    small = max(1, round(height * factor)), max(1, round(width * factor))
    wholes = [_resized(image, small) for image in images]
    if factor == 1:
        return draw_grid(wholes, labels, across=len(images))
    top, left = _most_different(images[1:] if len(results) > 1 else images, small)
    parts = [image[:, top : top + small[0], left : left + small[1]] for image in images]
    return draw_grid([*wholes, *parts], labels * 2, across=len(images))


def _most_different(images: list[Tensor], part: tuple[int, int]) -> tuple[int, int]:
    """Returns top and left of the part in which images differ most."""
    difference = torch.stack([image.mean(0) for image in images]).var(0)
    steps = [max(1, side // 4) for side in part]
    means = torch.nn.functional.avg_pool2d(difference[None, None], part, steps)[0, 0]
    best = int(means.argmax())
    return best // means.shape[1] * steps[0], best % means.shape[1] * steps[1]


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(image.shape[1:]) == size:
        return image
    return bicubic_resize(image[None], size)[0].clamp(0, 1)
