"""Pairs inputs with outputs before any work starts."""

from __future__ import annotations

import glob
import os
import re
import shlex
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import DataError, UsageError
from toolkit.files import check_writable
from toolkit.image_files import IMAGE_SUFFIXES, existing, is_image_suffix, some_images
from toolkit.images import Encoding, check_encoding
from toolkit.restoring.storage import (
    check_storage,
    is_inside,
    is_remote,
    location,
    remote_images,
    remote_matches,
)

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
    inputs: Sequence[str | Path],
    out: str | Path | None = None,
    mark: str = "_x4",
    *,
    suffix: str = "",
    rename: bool = False,
) -> list[Job]:
    """Pairs every input image with its output.

    - No `out`: `NAME_x4.EXT` beside an image, `FOLDER_x4/...` beside a folder.
    - `out` with an image suffix: the output of a single input image.
    - Any other `out`: a folder; outputs keep the names of the inputs, relative to their folder.

    Formats that can be read but not written become PNG. Images in the output folder are not taken
    as inputs, so that a second run finds the same inputs. Nothing is written.

    Args:
        inputs: Images, folders, and patterns such as `*.jpg`.
        out: Output file or folder.
        mark: What is appended to names, as `_x4`.
        suffix: Of all outputs, such as `.png`; empty for those of the inputs.
        rename: Whether outputs that would replace a file are named `NAME-2.EXT`.

    Raises:
        DataError: There are no inputs, an input does not exist, or a folder contains no image.
        UsageError: Two inputs would have the same output, an input would be overwritten, or `out`
            names a file for several inputs.
    """
    inputs = matching(inputs)
    target = None if out is None else location(out)
    single = target is not None and _names_a_file(target)
    if single and (len(inputs) > 1 or inputs[0].is_dir()):
        raise UsageError(
            f"--out {out} names one file, but there is more than one input",
            hint=f"Name a folder: --out {location(str(out)).with_suffix('')}",
        )
    jobs: dict[Job, None] = {}
    for source in inputs:
        if single and target is not None:
            jobs[Job(source, target, fixed=True)] = None
        else:
            jobs.update(dict.fromkeys(_jobs_of(source, target, mark, suffix)))
    planned = _apart(list(jobs))
    if rename:
        planned = _renamed(planned)
    _refuse_long_names(planned)
    _refuse_collisions(planned)
    return planned


def matching(inputs: Sequence[str | Path]) -> list[Path]:
    """Returns inputs with patterns replaced by the files that match, sorted.

    Some shells leave patterns as they are. A file whose name is a pattern is taken as a file.

    Raises:
        DataError: There are no inputs, one does not exist, or nothing matches a pattern.
    """
    if not inputs:
        raise DataError("No image to restore", hint="Name image files or folders")
    found: list[Path] = []
    for source in map(location, inputs):
        if is_remote(source):
            matches = remote_matches(source)
        elif not glob.has_magic(str(source)) or os.path.lexists(source):
            matches = [existing(source)]
        else:
            matches = sorted(map(Path, glob.glob(str(source), recursive=True)))  # noqa: PTH207 - absolute, too
        if not matches:
            raise DataError(f"Nothing matches {source}", hint="Check the pattern, or name a folder")
        found += matches
    return found


def suffix_of(format_out: str | None) -> str:
    """Returns the suffix of a format that a user names, as `png` or `.png`; empty for none.

    Raises:
        UsageError: It cannot be written.
    """
    if not format_out:
        return ""
    suffix = f".{format_out.lower().removeprefix('.')}"
    if suffix not in IMAGE_SUFFIXES:
        raise UsageError(
            f"--format-out {format_out}: images cannot be written so.",
            f"Use one of {' '.join(sorted(each[1:] for each in IMAGE_SUFFIXES))}",
        )
    return suffix


def check_encodings(jobs: Iterable[Job], encoding: Encoding) -> None:
    """Raises `UsageError` if no output has what an encoding asks for; some may lack it."""
    faults = []
    for suffix in sorted({job.destination.suffix.lower() for job in jobs}):
        try:
            check_encoding(encoding, suffix)
        except UsageError as error:
            faults.append(error)
        else:
            return
    if faults:
        raise faults[0]


def check_outputs(jobs: Iterable[Job]) -> None:
    """Creates the output folders and checks that they are writable.

    Raises:
        UsageError: A folder, or a remote storage, cannot be created or written into.
    """
    folders = {job.destination.parent for job in jobs}
    check_storage(filter(is_remote, folders))
    for folder in sorted(each for each in folders if not is_remote(each)):
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


def _jobs_of(source: Path, out: Path | None, mark: str, suffix: str) -> Iterator[Job]:
    if not source.is_dir():
        beside = source.with_name(f"{source.stem}{mark}{source.suffix}")
        yield Job(source, _writable(beside if out is None else out / source.name, suffix))
        return
    # A folder given as "." or ".." has a name only when resolved.
    named = source if source.name not in {"", ".."} else source.resolve()
    if out is None and not named.name:
        raise UsageError(f"There is no place beside {source}.", "Name a folder with --out")
    root = named.with_name(f"{named.name}{mark}") if out is None else out
    skipped = root.resolve()
    same = skipped == source.resolve()
    images_of = remote_images if is_remote(source) else some_images
    for path in images_of(source, lambda path: same or not is_inside(path, skipped)):
        yield Job(path, _writable(root.joinpath(*path.relative_to(source).parts), suffix))


def _writable(path: Path, suffix: str) -> Path:
    """Changes the suffix, to .png if its format cannot be written; appends it if there is none."""
    if path.suffix.lower() in IMAGE_SUFFIXES and not suffix:
        return path
    suffix = suffix or ".png"
    return path.with_suffix(suffix) if is_image_suffix(path.suffix) else _with_another(path, suffix)


def _with_another(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}{suffix}")


def _apart(jobs: list[Job]) -> list[Job]:
    """Names the output of `a.gif` `a.gif.png` if another input also becomes `a.png`."""
    counts = Counter(job.destination for job in jobs)
    return [
        Job(
            job.source,
            _with_another(job.destination.with_suffix(job.source.suffix), job.destination.suffix),
        )
        if counts[job.destination] > 1 and job.destination.suffix != job.source.suffix
        else job
        for job in jobs
    ]


def _renamed(jobs: list[Job]) -> list[Job]:
    """Gives outputs that would replace a file another name."""
    taken = {job.destination for job in jobs}
    renamed = []
    for job in jobs:
        path, number = job.destination, 1
        while path.exists() or (number > 1 and path in taken):
            number += 1
            path = job.destination.with_stem(f"{job.destination.stem}-{number}")
        taken.add(path)
        renamed.append(replace(job, destination=path))
    return renamed


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
