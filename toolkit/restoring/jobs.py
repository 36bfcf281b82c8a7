"""Pairs inputs with outputs before any work starts."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import DataError, UsageError
from toolkit.files import check_writable
from toolkit.image_files import IMAGE_SUFFIXES, existing, is_image_suffix, some_images

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_NAME_BYTES = 255
_SUFFIX = re.compile(r"\.[a-z][a-z0-9]{1,4}")


@dataclass(frozen=True)
class Job:
    """One image to restore.

    Attributes:
        source: The input file.
        destination: The output file.
        fixed: Whether the user named the output file, so that its format must not change.
    """

    source: Path
    destination: Path
    fixed: bool = False


def plan_jobs(
    inputs: Sequence[str | Path], out: str | Path | None = None, scale: int = 4
) -> list[Job]:
    """Pairs every input image with its output.

    - No `out`: `NAME_x4.EXT` beside an image, `FOLDER_x4/...` beside a folder, for a scale of 4.
    - `out` with an image suffix: the output of a single input image.
    - Any other `out`: a folder; outputs keep the names of the inputs, relative to their folder.

    Formats that can be read but not written become PNG. Images in the output folder are not taken
    as inputs, so that a second run finds the same inputs. Nothing is written.

    Raises:
        DataError: There are no inputs, an input does not exist, or a folder contains no image.
        UsageError: Two inputs would have the same output, an input would be overwritten, or `out`
            names a file for several inputs.
    """
    check_inputs(inputs)
    target = None if out is None else Path(out)
    single = target is not None and _names_a_file(target)
    if single and (len(inputs) > 1 or Path(inputs[0]).is_dir()):
        raise UsageError(
            f"--out {out} names one file, but there is more than one input",
            hint=f"Name a folder: --out {Path(str(out)).with_suffix('')}",
        )
    jobs: dict[Job, None] = {}
    for source in map(Path, inputs):
        if single and target is not None:
            jobs[Job(source, target, fixed=True)] = None
        else:
            jobs.update(dict.fromkeys(_jobs_of(source, target, f"_x{scale}")))
    planned = _apart(list(jobs))
    _refuse_long_names(planned)
    _refuse_collisions(planned)
    return planned


def check_inputs(inputs: Sequence[str | Path]) -> None:
    """Raises `DataError` if there are no inputs, or one does not exist."""
    if not inputs:
        raise DataError("No image to restore", hint="Name image files or folders")
    for source in inputs:
        existing(Path(source))


def check_outputs(jobs: Iterable[Job]) -> None:
    """Creates the output folders and checks that they are writable.

    Raises:
        UsageError: A folder cannot be created or written into.
    """
    for folder in sorted({job.destination.parent for job in jobs}):
        check_writable(folder, "Cannot write into the folder")


def _names_a_file(out: Path) -> bool:
    suffix = out.suffix.lower()
    if out.is_dir() or not _SUFFIX.fullmatch(suffix):
        return False
    if suffix not in IMAGE_SUFFIXES:
        suffixes = " ".join(sorted(IMAGE_SUFFIXES))
        raise UsageError(
            f"--out {out}: images cannot be written as '{suffix}'",
            hint=f"Use one of {suffixes}; if it is a folder: mkdir {shlex.quote(str(out))}",
        )
    return True


def _jobs_of(source: Path, out: Path | None, mark: str) -> Iterator[Job]:
    if not source.is_dir():
        beside = source.with_name(f"{source.stem}{mark}{source.suffix}")
        yield Job(source, _writable(beside if out is None else out / source.name))
        return
    # A folder given as "." or ".." has a name only when resolved.
    named = source if source.name not in {"", ".."} else source.resolve()
    root = named.with_name(f"{named.name}{mark}") if out is None else out
    skipped = root.resolve()
    same = skipped == source.resolve()
    paths = some_images(source, lambda path: same or not path.resolve().is_relative_to(skipped))
    for path in paths:
        yield Job(path, _writable(root / path.relative_to(source)))


def _writable(path: Path) -> Path:
    """Changes the suffix to .png if its format cannot be written; appends it if there is none."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return path
    return path.with_suffix(".png") if is_image_suffix(path.suffix) else _as_png(path)


def _as_png(path: Path) -> Path:
    return path.with_name(f"{path.name}.png")


def _apart(jobs: list[Job]) -> list[Job]:
    """Names the output of `a.gif` `a.gif.png` if another input also becomes `a.png`."""
    counts = Counter(job.destination for job in jobs)
    return [
        Job(job.source, _as_png(job.destination.with_suffix(job.source.suffix)))
        if counts[job.destination] > 1 and job.destination.suffix != job.source.suffix
        else job
        for job in jobs
    ]


def _refuse_long_names(jobs: list[Job]) -> None:
    for job in jobs:
        size = len(os.fsencode(job.destination.name))
        if size > _NAME_BYTES:
            raise UsageError(
                f"The result of {job.source} would have a name of {size} bytes; file systems allow "
                f"{_NAME_BYTES}",
                hint="Give that image a shorter name, or name its result: --out FILE",
            )


def _refuse_collisions(jobs: list[Job]) -> None:
    sources = {job.source.resolve() for job in jobs}
    taken: dict[Path, Job] = {}
    for job in jobs:
        destination = job.destination.resolve()
        if destination in sources:
            raise UsageError(
                f"{job.source} would overwrite the input {job.destination}",
                hint="Name another folder with --out",
            )
        other = taken.setdefault(destination, job)
        if other.source.resolve() != job.source.resolve():
            raise UsageError(
                f"{other.source} and {job.source} would both be written to {job.destination}",
                hint="Restore them in separate runs, with different --out",
            )
