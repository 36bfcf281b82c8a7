"""Pairing of restored images with their originals, by name, and the SHA-256 of both files."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit.errors import DataError
from toolkit.image_files import find_images
from toolkit.weights import digest

MOST_CUT = 4
"""Exclusive limit of the pixels by which HR may be larger: the scale, x4."""
_MARK = re.compile(r"_x[1-9][0-9]?$")
"""The suffix that `restore` adds to a name: `_x` and the scale."""
_THREADS = 4


@dataclass(frozen=True)
class RestoredImage:
    """A restored image and, where there is one, its original.

    Attributes:
        name: Path below its folder, without a scale such as `_x4` at the end of its stem; without
            suffix where that is enough to tell it from the others.
        sr: File of the restored image.
        hr: File of the original.
        sr_sha256: Of the restored file.
        hr_sha256: Of the original.
        note: What is done to make them comparable; empty where they are of one size.
    """

    name: str
    sr: Path
    hr: Path | None
    sr_sha256: str
    hr_sha256: str | None
    note: str = ""


def pair_images(sr: Path, hr: Path | None) -> tuple[list[RestoredImage], list[tuple[str, str]]]:
    """Pairs SR images with HR images by name, in order; and what is set aside: (name, reason).

    `a.jpg` is the partner of `a.jpg`, else of `a.jpg.png`, else of the one file that is called `a`
    but for its suffix.

    Raises:
        DataError: A folder does not exist or holds no image, or nothing is left to compare.
    """
    restored = _images(sr)
    names = _names(restored)
    originals = None if hr is None else _images(hr)
    partners = _partners(restored, originals or {})
    files = [
        (names[path], path, partners.get(path))
        for path in restored
        if originals is None or path in partners
    ]
    if not files:
        raise DataError(
            f"No image of {sr} has the name of an image of {hr}.",
            "Files are paired by their names without suffix.",
        )
    aside = [
        (names[path], f"has no counterpart in {hr}, or several")
        for path in restored
        if originals is not None and path not in partners
    ]
    used = set(partners.values())
    aside += [
        (name, f"has no counterpart in {sr}")
        for path, name in _names(originals or {}).items()
        if path not in used
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        hashed = list(pool.map(_hashed, files))
    found = [replace(each, note=_note(each)) for each in hashed if isinstance(each, RestoredImage)]
    return found, aside + [each for each in hashed if not isinstance(each, RestoredImage)]


def _images(folder: Path) -> dict[Path, Path]:
    """Images of a folder, each with its path below it, without a mark."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", "Name a folder of images.")
    found = {path: _unmarked(path.relative_to(folder)) for path in find_images(folder)}
    if not found:
        raise DataError(f"There is no image in {folder}.", "Subfolders are searched too.")
    return found


def _unmarked(path: Path) -> Path:
    return path.with_name(_MARK.sub("", path.stem) + path.suffix)


def _names(images: dict[Path, Path]) -> dict[Path, str]:
    """Names of images: paths without suffix, or with it where several share one."""
    counts = Counter(map(_bare, images.values()))
    return {
        path: _bare(place) if counts[_bare(place)] == 1 else place.as_posix()
        for path, place in images.items()
    }


def _bare(place: Path) -> str:
    return _MARK.sub("", place.with_suffix("").as_posix())


def _partners(sr: dict[Path, Path], hr: dict[Path, Path]) -> dict[Path, Path]:
    """The HR image of each SR image that has one, from the closest resemblance to the loosest."""
    ways: tuple[tuple[Callable[[Path], str], Callable[[Path], str]], ...] = (
        (Path.as_posix, Path.as_posix),
        (_bare, Path.as_posix),
        (_bare, _bare),
    )
    found: dict[Path, Path] = {}
    for of_sr, of_hr in ways:
        used = set(found.values())
        left = _unique((of_sr(place), path) for path, place in sr.items() if path not in found)
        right = _unique((of_hr(place), path) for path, place in hr.items() if path not in used)
        found.update({left[name]: right[name] for name in left if name in right})
    return found


def _unique(named: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Files by name, without those that share a name."""
    listed = list(named)
    counts = Counter(name for name, _ in listed)
    return {name: path for name, path in listed if counts[name] == 1}


def _hashed(files: tuple[str, Path, Path | None]) -> RestoredImage | tuple[str, str]:
    """The image with its digests, or its name and why it cannot be read."""
    name, sr, hr = files
    try:
        if hr is None:
            return RestoredImage(name, sr, None, digest(sr), None)
        return RestoredImage(name, sr, hr, digest(sr), digest(hr))
    except OSError as error:
        return name, f"{error.filename} cannot be read: {error.strerror}"


def _note(image: RestoredImage) -> str:
    """A note that HR is cut, where it is a little larger than SR; reads the headers alone."""
    small, large = _size(image.sr), image.hr and _size(image.hr)
    if not small or not large:
        return ""
    spare = [own - wanted for own, wanted in zip(large, small, strict=True)]
    if any(spare) and all(0 <= each < MOST_CUT for each in spare):
        return f"HR of {large[0]}x{large[1]} px was cut to {small[0]}x{small[1]}"
    return ""


def _size(path: Path) -> tuple[int, int] | None:
    """Width and height of the upright image; None where its header cannot be read."""
    from PIL import ExifTags, Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                turned = image.getexif().get(ExifTags.Base.Orientation) in {5, 6, 7, 8}
                return (image.height, image.width) if turned else image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
