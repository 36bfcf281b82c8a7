"""Degrades image files: LR images, what was done to each as data, and sheets to look at."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from toolkit.colour_profiles import as_photo
from toolkit.contracts import check_lr
from toolkit.degrading.samples import Replayable, Steps, degrade
from toolkit.degrading.sheet import draw_sheet
from toolkit.errors import DataError, UsageError
from toolkit.image_files import existing, some_images
from toolkit.images import Picture, read_picture, write_picture
from toolkit.interfaces import Degradation
from toolkit.makers import border
from toolkit.weights import write_atomically

HISTORIES = "histories.json"
"""The file, in the folder that is written to, of what was done to every image."""
_LR, _SHEETS = "lr", "sheets"


class _Made(NamedTuple):
    """An LR image, the sample's number if it has one, and what was done."""

    lr: Tensor
    number: int | None
    history: Steps | None


class Photo(NamedTuple):
    """A file to degrade."""

    source: Path
    """Where it is read."""
    name: Path
    """What its results are called, without a suffix, below the folder that is written to."""


@dataclass(frozen=True)
class Variant:
    """One LR image of a photograph.

    Attributes:
        file: Where it was written.
        index: The sample's number; None where a history was given instead.
        history: What was done; None where the degradation cannot tell.
    """

    file: Path
    index: int | None
    history: Steps | None


@dataclass(frozen=True)
class Degraded:
    """What became of one photograph.

    Attributes:
        source: Where it was read.
        hr_size: Width and height of what was degraded, in pixels; None if it could not be read.
        variants: Its LR images.
        sheet: Where they are shown side by side; None for a single one.
        notes: What the user should know, such as that rows were cut off.
        error: Why there is nothing; None if there is something.
    """

    source: Path
    hr_size: tuple[int, int] | None = None
    variants: tuple[Variant, ...] = ()
    sheet: Path | None = None
    notes: tuple[str, ...] = ()
    error: Exception | None = None


def plan_photos(inputs: Sequence[Path], out: Path) -> list[Photo]:
    """Finds the images of all inputs; files keep their names, those of a folder their places in it.

    Results of an earlier run into the same folder are left out.

    Raises:
        DataError: One does not exist, or a folder holds no image.
        UsageError: Two would have the same name, or one could be overwritten.
    """
    photos = _apart([photo for each in inputs for photo in _photos(each, out)])
    taken: dict[Path, Photo] = {}
    for photo in photos:
        if _lies_in(photo.source, out):
            raise UsageError(
                f"{photo.source} lies where results are written", "Name another folder: --out DIR"
            )
        other = taken.setdefault(photo.name, photo)
        if other is not photo:
            raise UsageError(
                f"{other.source} and {photo.source} would both be written as {photo.name}.png",
                "Degrade them one after the other, each with its own --out.",
            )
    return photos


def read_histories(path: Path) -> list[Steps]:
    """The histories of a file: one, as `describe` gives it, or several, as HISTORIES has them.

    Raises:
        UsageError: There is no such file, or it holds no histories.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read the histories {path}: {error.strerror}.") from None
    except ValueError as error:
        raise UsageError(f"The histories {path} are no valid JSON: {error}.") from None
    entries = data if isinstance(data, list) else [data]
    if entries and all(isinstance(each, dict) and "step" in each for each in entries):
        return [entries]
    found: list[Any] = [each.get("history") for each in entries if isinstance(each, dict)]
    if not found or not all(isinstance(each, list) for each in found):
        raise UsageError(
            f"{path} holds no histories.",
            f"Give a {HISTORIES} that toolkit degrade wrote, or one list of steps.",
        )
    return found


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
    """Degrades every photograph; one that fails never stops the others.

    Writes `out/lr/NAME.png`, or `NAME_INDEX.png` where there are several, `out/sheets/NAME.png`
    and `out/histories.json`.

    Args:
        degradation: Makes the LR images.
        photos: From `plan_photos`.
        out: The folder.
        seed: Of the samples.
        first: Number of the first sample; all images of all photographs have different ones.
        variants: LR images of each photograph: how many samples, or histories to apply.
        device: Where.
        on_photo: Told of each photograph before its turn, and of its place.

    Raises:
        UsageError: The folder cannot be made.
    """
    _make_folder(out / _LR)
    results = []
    count = variants if isinstance(variants, int) else len(variants)
    try:
        for place, photo in enumerate(photos):
            on_photo(photo, place)
            indices = range(first + place * count, first + (place + 1) * count)
            result = Degraded(photo.source)
            try:
                hr, notes = _read(photo.source, degradation.scale)
                result = replace(result, hr_size=(hr.shape[2], hr.shape[1]), notes=notes)
                if isinstance(variants, int):
                    made = _sampled(degradation, hr.to(device), seed, indices)
                else:
                    made = _applied(degradation, hr.to(device), variants)
                result = _write(result, photo, hr, made, out)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other images go on
                result = replace(result, error=error)
            results.append(result)
    finally:  # also of those that were done when someone stopped it
        _write_histories(results, out, seed if isinstance(variants, int) else None)
    return results


def _sampled(degradation: Degradation, hr: Tensor, seed: int, indices: range) -> list[_Made]:
    lr = degrade(degradation, hr.expand(len(indices), -1, -1, -1), seed, indices).cpu()
    told: list[Steps | None] = [None] * len(indices)
    if isinstance(degradation, Replayable):
        with border(degradation):
            told = [degradation.describe(seed, index) for index in indices]
            json.dumps(told)
    return [_Made(*each) for each in zip(lr, indices, told, strict=True)]


def _applied(degradation: Degradation, hr: Tensor, histories: Sequence[Steps]) -> list[_Made]:
    if not isinstance(degradation, Replayable):
        raise UsageError(
            "This degradation cannot apply a history.", "Take another: --with realesrgan"
        )
    with border(degradation):
        made = [degradation.apply(hr, each) for each in histories]
    for lr in made:
        check_lr(degradation, lr[None], hr[None])
    return [_Made(lr.cpu(), None, each) for lr, each in zip(made, histories, strict=True)]


def _read(path: Path, scale: int) -> tuple[Tensor, tuple[str, ...]]:
    """The photograph, cut at its right and bottom to multiples of the scale."""
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
    note = f"cut to {width}x{height}, multiples of {scale}"
    return photo[:, :height, :width], (*picture.notes, note)


def _write(
    result: Degraded, photo: Photo, hr: Tensor, made: Sequence[_Made], out: Path
) -> Degraded:
    variants = []
    for place, (lr, index, history) in enumerate(made):
        number = "" if len(made) == 1 else f"_{place if index is None else index}"
        file = out / _LR / photo.name.with_name(f"{photo.name.name}{number}.png")
        _write_image(lr, file)
        variants.append(Variant(file, index, history))
    sheet = None
    if len(made) > 1:
        sheet = out / _SHEETS / photo.name.with_name(f"{photo.name.name}.png")
        _write_image(draw_sheet(hr, made), sheet)
    return replace(result, variants=tuple(variants), sheet=sheet)


def _write_image(image: Tensor, path: Path) -> None:
    _make_folder(path.parent)
    write_picture(Picture(image), path)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"Cannot make the folder {folder}: {error.strerror}", "Name another: --out DIR"
        ) from error


def _lies_in(path: Path, out: Path) -> bool:
    places = ((out / name).resolve() for name in (_LR, _SHEETS))
    return any(path.resolve().is_relative_to(place) for place in places)


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
    """Names with their suffix where `a.jpg` lies beside `a.png`, so that results have two names."""
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
    own = _lies_in(source, out)
    for path in some_images(source, lambda path: own or not _lies_in(path, out)):
        yield Photo(path, path.relative_to(source).with_suffix(""))
