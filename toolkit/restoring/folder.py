"""Restores files; an image that fails does not stop the others."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch

from toolkit.abilities import avoids_tiles, tiles_itself
from toolkit.errors import ImageError, ToolkitError, lacks_memory
from toolkit.images import (
    Picture,
    bicubic_resize,
    read_picture,
    why_too_large,
    write_picture,
)
from toolkit.restoring.colour import ColourMethod, check_method, match_colour_
from toolkit.restoring.jobs import Job, check_inputs, check_outputs, plan_jobs
from toolkit.restoring.tiles import TILE, check_tiles, restore_tiled, tile_side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import Tensor

    from toolkit.interfaces import Restorer

__all__ = [
    "Job",
    "Progress",
    "Restored",
    "check_inputs",
    "check_outputs",
    "plan_jobs",
    "restore_files",
    "restore_picture",
]

Existing = Literal["skip", "overwrite"]
_FALLBACKS = (TILE, TILE // 2, TILE // 4)


@dataclass(frozen=True)
class Restored:
    """Result of one job.

    Attributes:
        job: The job; its destination may have been changed to PNG.
        lr_size: Width and height of the input in pixels; None if it could not be read.
        sr_size: Width and height of the output; None if there is none.
        seconds: Time from opening the source to closing the destination.
        notes: Warnings for the user, such as a loss of transparency.
        kept: Whether an existing output was kept.
        error: The error that prevented an output; None on success.
    """

    job: Job
    lr_size: tuple[int, int] | None = None
    sr_size: tuple[int, int] | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    kept: bool = False
    error: Exception | None = None


@dataclass(frozen=True)
class Progress:
    """Progress, reported when a job starts, after each tile, and when a job ends.

    Attributes:
        job: The current job.
        index: Its index.
        count: Number of jobs.
        tile: Number of finished tiles of this image.
        tiles: Number of tiles of this image; 0 until the first is finished.
        result: Result of the job, once it has ended.
    """

    job: Job
    index: int
    count: int
    tile: int = 0
    tiles: int = 0
    result: Restored | None = None


def restore_files(
    restorer: Restorer,
    jobs: Iterable[Job],
    *,
    tile: int | None = None,
    colour: ColourMethod = "none",
    device: torch.device | None = None,
    existing: Existing = "overwrite",
    on_event: Callable[[Progress], None] | None = None,
) -> list[Restored]:
    """Restores images one after another; returns the results in the same order.

    Args:
        restorer: Already on `device`.
        jobs: From `plan_jobs`.
        tile: See `restore_tiled`.
        colour: See `match_colour`.
        device: Device of the restorer; None for the CPU.
        existing: Whether existing outputs are kept or overwritten. Outputs are written atomically,
            so that "skip" continues an interrupted run.
        on_event: Called with all progress.

    Raises:
        UsageError: An output folder is not writable, or `tile` or `colour` is invalid; raised
            before the first image is processed.
    """
    jobs = list(jobs)
    check_tiles(tile)
    check_method(colour)
    check_outputs(jobs)
    report = on_event or (lambda _: None)
    results = []
    for index, job in enumerate(jobs):
        progress = Progress(job, index, len(jobs))
        report(progress)

        def on_tile(done: int, tiles: int, progress: Progress = progress) -> None:
            report(replace(progress, tile=done, tiles=tiles))

        if existing == "skip" and job.destination.exists():
            results.append(Restored(job, kept=True))
        else:
            results.append(_restore_file(restorer, job, tile, colour, device, on_tile))
        report(replace(progress, result=results[-1]))
    return results


def restore_picture(
    restorer: Restorer,
    picture: Picture,
    *,
    tile: int | None = None,
    colour: ColourMethod = "none",
    device: torch.device | None = None,
    on_tile: Callable[[int, int], None] | None = None,
) -> tuple[Picture, tuple[str, ...]]:
    """Restores a picture; alpha is enlarged bicubically; greyscale, bits and metadata are kept.

    If memory runs out, it is tried again in smaller tiles.

    Returns:
        The restored picture, and notes, such as on smaller tiles.

    Raises:
        ToolkitError: Memory does not suffice even for the smallest tiles, or see `restore_tiled`.
    """
    lr = picture.rgb[None]
    notes: tuple[str, ...] = ()
    tile = 0 if tile is None and tiles_itself(restorer) else tile
    for size in _sizes(tile, *lr.shape[-2:]):
        try:
            sr = restore_tiled(restorer, lr, size, device=device, on_tile=on_tile)
        except (MemoryError, RuntimeError) as error:
            if not lacks_memory(error):
                raise
        else:
            notes = _tile_notes(restorer, tile, size, lr)
            break
        _release_memory()
    else:
        raise ToolkitError("Memory does not suffice, even in small tiles", hint="Use --tile 32")
    rgb = match_colour_(sr, lr, colour)[0]
    if picture.grey:
        rgb = rgb.mean(0, keepdim=True).expand(3, -1, -1)
    alpha = picture.alpha
    if alpha is not None:
        alpha = bicubic_resize(alpha[None], restorer.scale)[0].clamp_(0, 1)
    return replace(picture, rgb=rgb, alpha=alpha), notes


def _restore_file(
    restorer: Restorer,
    job: Job,
    tile: int | None,
    colour: ColourMethod,
    device: torch.device | None,
    on_tile: Callable[[int, int], None],
) -> Restored:
    began = time.perf_counter()
    result = Restored(job)
    try:
        picture = read_picture(job.source)
        result = replace(result, lr_size=_size(picture))
        job, format_notes = _fitting(job, picture, restorer.scale)
        result = replace(result, job=job)
        restored, notes = restore_picture(
            restorer, picture, tile=tile, colour=colour, device=device, on_tile=on_tile
        )
        notes = picture.notes + format_notes + notes + write_picture(restored, job.destination)
        result = replace(result, sr_size=_size(restored), notes=notes)
    except Exception as error:  # noqa: BLE001 - reported; the other images continue
        result = replace(result, error=error)
    return replace(result, seconds=time.perf_counter() - began)


def _fitting(job: Job, picture: Picture, scale: int) -> tuple[Job, tuple[str, ...]]:
    """Changes a job's output to PNG if it is too large for its format; also returns notes.

    Raises:
        ImageError: It is too large for a format that the user chose, or the PNG file exists.
    """
    width, height = (scale * side for side in _size(picture))
    channels = 1 if picture.grey else 3 if picture.alpha is None else 4
    suffix = job.destination.suffix.lower()
    reason = why_too_large(suffix, width, height, channels * picture.bits // 8)
    if not reason:
        return job, ()
    other = job.destination.with_suffix(".png")
    if job.fixed:
        raise ImageError(f"Cannot write {job.destination}: {reason}", f"Use --out {other}")
    if other.exists():
        raise ImageError(f"{reason}, and {other} exists already", f"Use --out {other}")
    return replace(job, destination=other), (f"{reason}: written as PNG",)


def _tile_notes(
    restorer: Restorer, asked: int | None, used: int | None, lr: Tensor
) -> tuple[str, ...]:
    if used != asked:
        return (f"tiles of {used} pixels, as memory was short",)
    sides = lr.shape[-2:]
    if avoids_tiles(restorer) and tile_side(used, *sides) < max(sides):
        return (f"restored in tiles, which {restorer.name} may show: try --tile 0",)
    return ()


def _size(picture: Picture) -> tuple[int, int]:
    height, width = picture.rgb.shape[-2:]
    return width, height


def _sizes(tile: int | None, height: int, width: int) -> Iterator[int | None]:
    """Yields the requested tile size, then smaller ones."""
    yield tile
    first = tile_side(tile, height, width)
    yield from (size for size in _FALLBACKS if size < first)


def _release_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
