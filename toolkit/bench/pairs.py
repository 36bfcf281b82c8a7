"""Which SR image belongs to which HR image, and which bytes both are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import DataError
from toolkit.image_files import find_images
from toolkit.weights import digest

_THREADS = 4


@dataclass(frozen=True)
class Pair:
    """A restored image and, where there is one, the image that it should be.

    Attributes:
        name: Path below its folder, without suffix and without a `_x4` at its end.
        sr: File of the restored image.
        hr: File of the original.
        sr_sha256: Of the restored file.
        hr_sha256: Of the original.
    """

    name: str
    sr: Path
    hr: Path | None
    sr_sha256: str
    hr_sha256: str | None


def find_pairs(sr: Path, hr: Path | None) -> tuple[list[Pair], list[tuple[str, str]]]:
    """Pairs by name, in order, and what is set aside: (name, reason).

    Raises:
        DataError: A folder does not exist or holds no image, or nothing is left to compare.
    """
    restored = _by_name(sr)
    originals = None if hr is None else _by_name(hr)
    files: list[tuple[str, Path, Path | None]] = []
    aside = []
    for name, path in restored.items():
        if originals is None or name in originals:
            files.append((name, path, originals[name] if originals else None))
        else:
            aside.append((name, f"has no counterpart in {hr}"))
    if not files:
        raise DataError(
            f"No image of {sr} has the name of an image of {hr}.",
            "Files are paired by their names without suffix.",
        )
    aside += [
        (name, f"has no counterpart in {sr}") for name in originals or () if name not in restored
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        hashed = list(pool.map(_hashed, files))
    pairs = [each for each in hashed if isinstance(each, Pair)]
    return pairs, aside + [each for each in hashed if not isinstance(each, Pair)]


def _by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", "Name a folder of images.")
    found: dict[str, Path] = {}
    for path in find_images(folder):
        name = path.relative_to(folder).with_suffix("").as_posix().removesuffix("_x4")
        if name in found:
            raise DataError(f"{path} and {found[name]} have the same name.", "Keep one of them.")
        found[name] = path
    if not found:
        raise DataError(f"There is no image in {folder}.", "Subfolders are searched too.")
    return found


def _hashed(files: tuple[str, Path, Path | None]) -> Pair | tuple[str, str]:
    """The pair, or its name and why it cannot be read."""
    name, sr, hr = files
    try:
        return Pair(name, sr, hr, digest(sr), None if hr is None else digest(hr))
    except OSError as error:
        return name, f"{error.filename} cannot be read: {error.strerror}"
