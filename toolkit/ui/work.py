"""Restores uploaded photographs as `toolkit restore` does, with previews for the page."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import ToolkitError, UsageError
from toolkit.images import Metadata, bicubic_resize, read_picture, write_picture
from toolkit.restoring.folder import Files, Progress, Restored, restore_files
from toolkit.restoring.jobs import Job, plan_jobs
from toolkit.restoring.sizes import Size
from toolkit.restoring.treatment import Treatment, colour_for

if TYPE_CHECKING:
    from toolkit.images import Picture
    from toolkit.restoring.loaded import Loaded

_PREVIEW = 2048
"""Longest side of a preview, in pixels."""

Report = Callable[[float, str], object]
"""Called with the share of the work that is done, from 0 to 1, and what is being done."""


@dataclass(frozen=True)
class Outcome:
    """What became of one photograph.

    Attributes:
        name: Name of the uploaded file.
        result: The restored file; None if it failed.
        before: Preview of the input, enlarged to the size of `after`; None if it failed.
        after: Preview of the result; None if it failed.
        told: The sizes, or the error.
        hints: Notes on the result, or what to do about the error.
    """

    name: str
    result: Path | None
    before: Path | None
    after: Path | None
    told: str
    hints: tuple[str, ...]


def restore_uploads(
    loaded: Loaded,
    uploads: Sequence[Path],
    folder: Path,
    *,
    scale: float | None = None,
    strength: float = 1.0,
    report: Report = lambda _share, _told: None,
) -> list[Outcome]:
    """Restores photographs into a folder; one that fails does not stop the others.

    Args:
        loaded: The restorer.
        uploads: Files of any names.
        folder: An empty folder, whose subfolders get the results and previews.
        scale: Factor for both sides; None for the restorer's own.
        strength: From 0, the enlarged input, to 1, the full restoration.
        report: Called after each tile.

    Raises:
        UsageError: The restorer does not enlarge as much.
    """
    if scale and scale > loaded.scale:
        raise UsageError(
            f"This restorer enlarges ×{loaded.scale} at most.", "Choose Full, or a smaller size."
        )
    restorer, size = loaded.restorer, Size(scale)
    treatment = Treatment(None, colour_for(restorer, None), strength, size)
    mark = size.mark or f"_x{restorer.scale}"
    jobs = [_job(source, folder / str(number), mark) for number, source in enumerate(uploads)]

    def on_event(progress: Progress) -> None:
        share = 1.0 if progress.result else progress.share
        tiles = f", tile {progress.tile} of {progress.tiles}" if progress.tiles > 1 else ""
        report((progress.index + share) / progress.count, f"{progress.job.source.name}{tiles}")

    files = Files(note=loaded.note)
    done = restore_files(restorer, jobs, treatment, files, device=loaded.device, on_event=on_event)
    return [_outcome(each) for each in done]


def pack(outcomes: Sequence[Outcome], folder: Path) -> Path | None:
    """Returns what is downloaded: the one result, or an archive of several; None if all failed."""
    results = [each.result for each in outcomes if each.result]
    if len(results) < 2:
        return results[0] if results else None
    archive = Path(tempfile.mkdtemp(dir=folder)) / "photographs.zip"
    names = [path.name for path in results]
    with zipfile.ZipFile(archive, "w") as packed:  # not compressed again
        for number, path in enumerate(results, 1):
            twice = names.count(path.name) > 1
            packed.write(path, f"{number}-{path.name}" if twice else path.name)
    return archive


def _job(source: Path, folder: Path, mark: str) -> Job:
    """Plans the same file name as beside the photograph, in a folder of its own."""
    [job] = plan_jobs([source], mark=mark)
    return replace(job, destination=folder / job.destination.name)


def _outcome(restored: Restored) -> Outcome:
    source, result = restored.job.source, restored.job.destination
    error = restored.error
    if not error:
        try:
            before, after = _previews(source, result)
        except ToolkitError as fault:
            error = fault
    if error or not (restored.lr_size and restored.sr_size):
        hint = getattr(error, "hint", "")
        told, hints = str(error), (hint,) if hint else ()
        return Outcome(source.name, None, None, None, _without(source, told),
                       tuple(_without(source, each) for each in hints))  # fmt: skip
    told = "{} × {} → {} × {} pixels".format(*restored.lr_size, *restored.sr_size)
    return Outcome(source.name, result, before, after, told, restored.notes)


def _without(source: Path, text: str) -> str:
    """Shows names of files, not where they are on this machine."""
    return text.replace(str(source), source.name)


def _previews(source: Path, result: Path) -> tuple[Path, Path]:
    before, after = read_picture(source), read_picture(result)
    height, width = after.rgb.shape[1:]
    factor = min(1.0, _PREVIEW / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    paths = result.with_name("before.webp"), result.with_name("after.webp")
    for picture, path in zip((before, after), paths, strict=True):
        write_picture(_resized(picture, size), path)
    return paths


def _resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """Returns a picture of this size for the screen, with nothing but its colour profile."""
    rgb, alpha = (
        each if each is None or tuple(each.shape[1:]) == size
        else bicubic_resize(each[None], size)[0].clamp_(0, 1)
        for each in (picture.rgb, picture.alpha)
    )  # fmt: skip
    assert rgb is not None
    metadata = Metadata(icc=picture.metadata.icc)
    return replace(picture, rgb=rgb, alpha=alpha, bits=8, metadata=metadata)
