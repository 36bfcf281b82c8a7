"""Restores files; an image that fails does not stop the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from toolkit.errors import ImageError
from toolkit.images import (
    MAX_PIXELS,
    Encoding,
    Note,
    Picture,
    possible,
    read_picture,
    why_too_large,
    with_note,
    write_strips,
)
from toolkit.restoring.jobs import Job, check_outputs
from toolkit.restoring.pictures import grey_again, restore_strips, size_of
from toolkit.restoring.storage import finder, on_local_files
from toolkit.restoring.treatment import Treatment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import torch
    from torch import Tensor

    from toolkit.interfaces import Restorer
    from toolkit.restoring.tiles import OnTile

Existing = Literal["skip", "overwrite", "rename"]
Work = Callable[[Job, "OnTile"], "Restored"]
"""Does a job, or raises its error."""


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

    @property
    def share(self) -> float:
        """How much of this image is done, from 0 to 1."""
        return self.tile / self.tiles if self.tiles else 0.0


@dataclass(frozen=True)
class Files:
    """How files are read and written.

    Attributes:
        encoding: Quality and subsampling of the results whose format has them.
        note: Is added to their XMP; None for none.
        max_pixels: Most pixels of an input; more are refused.
    """

    encoding: Encoding = field(default_factory=Encoding)
    note: Note | None = None
    max_pixels: int = MAX_PIXELS


def restore_files(
    restorer: Restorer,
    jobs: Iterable[Job],
    treatment: Treatment = Treatment(),  # noqa: B008 - immutable
    files: Files = Files(),
    *,
    device: torch.device | None = None,
    existing: Existing = "overwrite",
    on_event: Callable[[Progress], None] | None = None,
) -> list[Restored]:
    """Restores images one after another; returns the results in the same order.

    Args:
        restorer: Already on `device`.
        jobs: From `plan_jobs`.
        treatment: Tiles, colours, strength and size.
        files: How files are read and written.
        device: Device of the restorer; None for the CPU.
        existing: Whether existing outputs are kept or overwritten, or the result gets another
            name. Outputs are written atomically, so that "skip" continues an interrupted run.
        on_event: Called with all progress.

    Raises:
        UsageError: An output folder is not writable, or the treatment is invalid; raised before
            the first image is processed.
    """
    work = restoring(restorer, treatment, files, device)
    return run_jobs(jobs, work, existing=existing, on_event=on_event)


def restoring(
    restorer: Restorer, treatment: Treatment, files: Files, device: torch.device | None = None
) -> Work:
    """Returns the work that restores one file; see `restore_files`."""
    treatment.check(restorer)
    restorer, treatment = treatment.fitted(restorer)
    return partial(_restore_file, restorer, treatment, files, device)


def run_jobs(
    jobs: Iterable[Job],
    work: Work,
    *,
    existing: Existing = "overwrite",
    on_event: Callable[[Progress], None] | None = None,
) -> list[Restored]:
    """Does jobs one after another; returns the results in the same order.

    Args:
        jobs: From `plan_jobs`.
        work: Given local files; see `on_local_files`.
        existing: See `restore_files`.
        on_event: Called with all progress.

    Raises:
        UsageError: An output folder is not writable; raised before the first job is done.
    """
    jobs = list(jobs)
    check_outputs(jobs)
    exists = finder(job.destination for job in jobs if existing == "skip")
    report = on_event or (lambda _: None)
    results = []
    for index, job in enumerate(jobs):
        progress = Progress(job, index, len(jobs))
        report(progress)

        def on_tile(done: int, tiles: int, progress: Progress = progress) -> None:
            report(replace(progress, tile=done, tiles=tiles))

        if existing == "skip" and exists(job.destination):
            result = Restored(job, kept=True)
        else:
            result = attempt(job, work, on_tile)
        results.append(result)
        report(replace(progress, result=result))
    return results


def attempt(job: Job, work: Work, on_tile: OnTile) -> Restored:
    """Does a job, and returns its result, with its time, or its error."""
    began = time.perf_counter()
    try:
        result = on_local_files(work)(job, on_tile)
    except Exception as error:  # noqa: BLE001 - reported; the other images continue
        result = Restored(job, error=error)
    return replace(result, seconds=time.perf_counter() - began)


def _restore_file(
    restorer: Restorer,
    treatment: Treatment,
    files: Files,
    device: torch.device | None,
    job: Job,
    on_tile: OnTile,
) -> Restored:
    picture = read_picture(job.source, max_pixels=files.max_pixels)
    lr_size = size_of(picture)
    try:
        height, width = treatment.size.of(lr_size[1], lr_size[0], restorer.scale)
        job, notes = _fitting(job, picture, height, width)
        further = _restore_picture(
            restorer, picture, treatment, files, (height, width), job.destination,
            device=device, on_tile=on_tile,
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - reported, with the size
        return Restored(job, lr_size, error=error)
    return Restored(job, lr_size, (width, height), notes=picture.notes + notes + further)


def _restore_picture(
    restorer: Restorer,
    picture: Picture,
    treatment: Treatment,
    files: Files,
    size: tuple[int, int],
    path: Path,
    **calls: Any,
) -> tuple[str, ...]:
    """Restores a picture and writes it as it is restored; returns notes."""
    if files.note and path.suffix.lower() != ".bmp":  # which has no place for it
        picture = replace(picture, metadata=with_note(picture.metadata, files.note))

    def write(strips: Iterator[Tensor]) -> tuple[str, ...]:
        rows = (grey_again(strip[0]) if picture.grey else strip[0] for strip in strips)
        encoding = possible(files.encoding, path.suffix)
        return write_strips(rows, size, picture, path, encoding)

    written, notes = restore_strips(restorer, picture.rgb[None], treatment, write, **calls)
    return notes + written


def _fitting(job: Job, picture: Picture, height: int, width: int) -> tuple[Job, tuple[str, ...]]:
    """Changes a job's output to PNG if it is too large for its format; also returns notes.

    Raises:
        ImageError: It is too large for a format that the user chose, or the PNG file exists.
    """
    channels = 1 if picture.grey else 3 if picture.alpha is None else 4
    suffix = job.destination.suffix.lower()
    reason = why_too_large(suffix, width, height, channels * (1 if picture.bits == 8 else 2))
    if not reason:
        return job, ()
    other = job.destination.with_suffix(".png")
    if job.fixed:
        raise ImageError(f"Cannot write {job.destination}: {reason}", f"Use --out {other}")
    if other.exists():
        raise ImageError(f"{reason}, and {other} exists already", f"Use --out {other}")
    return replace(job, destination=other), (f"{reason}: written as PNG",)
