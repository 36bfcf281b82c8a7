"""Degrades image files: writes LR images, their histories, and comparison sheets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from toolkit.abilities import Replayable, Steps
from toolkit.colour_profiles import as_photo
from toolkit.contracts import check_lr
from toolkit.degrading.samples import degrade
from toolkit.degrading.sheet import draw_sheet
from toolkit.errors import DataError, UsageError
from toolkit.files import check_writable, write_atomically
from toolkit.image_files import existing, some_images
from toolkit.images import Picture, read_picture, write_picture
from toolkit.interfaces import Degradation
from toolkit.makers import border

HISTORIES = "histories.json"
"""Name of the file in the output folder that records the history of every LR image."""
_LR, _SHEETS = "lr", "sheets"


class _Sample(NamedTuple):
    """An LR image, the index of its sample, and its history, as in `Variant`."""

    lr: Tensor
    number: int | None
    history: Steps | None


class Photo(NamedTuple):
    """A file to degrade."""

    source: Path
    """The input file."""
    name: Path
    """Path of its outputs relative to the output folder, without a suffix."""


@dataclass(frozen=True)
class Variant:
    """One LR image of a photograph.

    Attributes:
        file: The output file.
        index: Index of the sample; None if a history was applied instead.
        history: Its processing steps; None if the degradation cannot describe them.
    """

    file: Path
    index: int | None
    history: Steps | None


@dataclass(frozen=True)
class Degraded:
    """Result for one photograph.

    Attributes:
        source: The input file.
        hr_size: Width and height of the cropped photograph in pixels; None if it could not be read.
        variants: Its LR images.
        sheet: File that shows the variants side by side; None for a single variant.
        notes: Warnings for the user, such as cropping.
        error: The error that prevented the outputs; None on success.
    """

    source: Path
    hr_size: tuple[int, int] | None = None
    variants: tuple[Variant, ...] = ()
    sheet: Path | None = None
    notes: tuple[str, ...] = ()
    error: Exception | None = None


def plan_photos(inputs: Sequence[Path], out: Path) -> list[Photo]:
    """Finds the images of all inputs.

    Outputs are named after the files, relative to an input folder. Results of an earlier run into
    `out` are not taken as inputs.

    Raises:
        DataError: An input does not exist, or a folder contains no image.
        UsageError: Two outputs would have the same name, or an input could be overwritten.
    """
    photos = _apart([photo for source in inputs for photo in _photos(source, out)])
    taken: dict[Path, Photo] = {}
    for photo in photos:
        if _lies_in(photo.source, out):
            raise UsageError(
                f"{photo.source} is in an output folder", "Name another folder: --out DIR"
            )
        other = taken.setdefault(photo.name, photo)
        if other is not photo:
            raise UsageError(
                f"{other.source} and {photo.source} would both be written as {photo.name}.png",
                "Degrade them in separate runs, with different --out.",
            )
    return photos


def read_histories(path: Path) -> list[Steps]:
    """Reads a history, as `Replayable.describe` returns it, or a `HISTORIES` file of several.

    Raises:
        UsageError: The file cannot be read, or contains no histories.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read the histories {path}: {error.strerror}.") from None
    except ValueError as error:
        raise UsageError(f"The histories {path} are not valid JSON: {error}.") from None
    entries = data if isinstance(data, list) else [data]
    if entries and all(isinstance(entry, dict) and "step" in entry for entry in entries):
        return [entries]
    histories: list[Any] = [entry.get("history") for entry in entries if isinstance(entry, dict)]
    if not histories or not all(isinstance(history, list) for history in histories):
        raise UsageError(
            f"{path} contains no histories.",
            f"Give a {HISTORIES} that toolkit degrade wrote, or one list of steps.",
        )
    return histories


def degrade_files(
    degradation: Degradation,
    photos: Sequence[Photo],
    out: Path,
    *,
    seed: int = 0,
    first: int = 0,
    variants: int | Sequence[Steps] = 1,
    device: torch.device | str = "cpu",
    on_photo: Callable[[Photo, int], None] = lambda _photo, _index: None,
) -> list[Degraded]:
    """Degrades photographs; one that fails does not stop the others.

    Writes `out/lr/NAME.png`, or for several variants `NAME_INDEX.png` and `out/sheets/NAME.png`,
    and `out/histories.json`.

    Args:
        degradation: Makes the LR images.
        photos: From `plan_photos`.
        out: The output folder.
        seed: Seed of the samples.
        first: Index of the first sample; indices increase over all images of all photographs.
        variants: Number of samples of each photograph, or histories to apply to it.
        device: Device to compute on.
        on_photo: Called with each photograph and its index before it is processed.

    Raises:
        UsageError: The folder cannot be created.
    """
    check_writable(out / _LR, "Cannot create the folder")
    results = []
    count = variants if isinstance(variants, int) else len(variants)
    try:
        for position, photo in enumerate(photos):
            on_photo(photo, position)
            indices = range(first + position * count, first + (position + 1) * count)
            result = Degraded(photo.source)
            try:
                hr, notes = _read(photo.source, degradation.scale)
                result = replace(result, hr_size=(hr.shape[2], hr.shape[1]), notes=notes)
                if isinstance(variants, int):
                    samples = _sampled(degradation, hr.to(device), seed, indices)
                else:
                    samples = _applied(degradation, hr.to(device), variants)
                result = _write(result, photo, hr, samples, out)
            except Exception as error:  # noqa: BLE001 - reported; the other images continue
                result = replace(result, error=error)
            results.append(result)
    finally:  # also if interrupted
        _write_histories(results, out, seed if isinstance(variants, int) else None)
    return results


def _sampled(degradation: Degradation, hr: Tensor, seed: int, indices: range) -> list[_Sample]:
    lr = degrade(degradation, hr.expand(len(indices), -1, -1, -1), seed, indices).cpu()
    histories: list[Steps | None] = [None] * len(indices)
    if isinstance(degradation, Replayable):
        with border(degradation):
            histories = [degradation.describe(seed, index) for index in indices]
            json.dumps(histories)  # raises if they are not plain data
    return [_Sample(*values) for values in zip(lr, indices, histories, strict=True)]


def _applied(degradation: Degradation, hr: Tensor, histories: Sequence[Steps]) -> list[_Sample]:
    if not isinstance(degradation, Replayable):
        raise UsageError(
            "This degradation cannot apply a history.", "Use another: --with realesrgan"
        )
    with border(degradation):
        images = [degradation.apply(hr, history) for history in histories]
    for lr in images:
        check_lr(degradation, lr[None], hr[None])
    return [_Sample(lr.cpu(), None, steps) for lr, steps in zip(images, histories, strict=True)]


def _read(path: Path, scale: int) -> tuple[Tensor, tuple[str, ...]]:
    """Reads a photograph, cropped at the right and bottom to multiples of the scale."""
    picture = read_picture(path)
    photo = as_photo(picture)
    height, width = (side - side % scale for side in photo.shape[1:])
    if not height or not width:
        raise DataError(
            f"{path} has {photo.shape[2]}x{photo.shape[1]} pixels, less than one LR pixel",
            f"Give images of at least {scale}x{scale} pixels.",
        )
    if (height, width) == tuple(photo.shape[1:]):
        return photo, picture.notes
    note = f"cropped to {width}x{height}, multiples of {scale}"
    return photo[:, :height, :width], (*picture.notes, note)


def _write(
    result: Degraded, photo: Photo, hr: Tensor, samples: Sequence[_Sample], out: Path
) -> Degraded:
    variants = []
    for position, (lr, index, history) in enumerate(samples):
        number = "" if len(samples) == 1 else f"_{position if index is None else index}"
        file = out / _LR / photo.name.with_name(f"{photo.name.name}{number}.png")
        _write_image(lr, file)
        variants.append(Variant(file, index, history))
    sheet = None
    if len(samples) > 1:
        sheet = out / _SHEETS / photo.name.with_name(f"{photo.name.name}.png")
        _write_image(draw_sheet(hr, samples), sheet)
    return replace(result, variants=tuple(variants), sheet=sheet)


def _write_image(image: Tensor, path: Path) -> None:
    check_writable(path.parent, "Cannot create the folder")
    write_picture(Picture(image), path)


def _lies_in(path: Path, out: Path) -> bool:
    folders = ((out / name).resolve() for name in (_LR, _SHEETS))
    return any(path.resolve().is_relative_to(folder) for folder in folders)


def _write_histories(results: Iterable[Degraded], out: Path, seed: int | None) -> None:
    entries: list[dict[str, Any]] = [
        {
            "image": str(result.source),
            "lr": variant.file.relative_to(out).as_posix(),
            "seed": seed,
            "index": variant.index,
            "history": list(variant.history),
        }
        for result in results
        for variant in result.variants
        if variant.history is not None
    ]
    if entries:
        write_atomically(out / HISTORIES, (json.dumps(entries, indent=2) + "\n").encode())


def _apart(photos: list[Photo]) -> list[Photo]:
    """Names outputs with the input's suffix if two would clash, such as of `a.jpg` and `a.png`."""
    counts = Counter(photo.name for photo in photos)
    return [
        Photo(photo.source, photo.name.with_name(photo.name.name + photo.source.suffix))
        if counts[photo.name] > 1
        else photo
        for photo in photos
    ]


def _photos(source: Path, out: Path) -> Iterator[Photo]:
    if not existing(source).is_dir():
        yield Photo(source, Path(source.stem))
        return
    inside = _lies_in(source, out)
    for path in some_images(source, lambda path: inside or not _lies_in(path, out)):
        yield Photo(path, path.relative_to(source).with_suffix(""))
