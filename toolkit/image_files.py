"""Which files of a folder are images, without opening one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from toolkit.errors import DataError

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""Formats that folders are searched for, and that can be written."""


def find_images(folder: str | Path) -> list[Path]:
    """Image files below a folder, by suffix, sorted; hidden files and folders are left out."""
    folder = Path(folder)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def some_images(folder: Path, keep: Callable[[Path], bool] = lambda _path: True) -> list[Path]:
    """What `find_images` finds, of it what is to be kept.

    Raises:
        DataError: There is nothing.
    """
    found = [path for path in find_images(folder) if keep(path)]
    if not found:
        known = " ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(f"The folder {folder} holds no image", hint=f"Images are {known}")
    return found


def existing(path: Path) -> Path:
    """The path, where there is something.

    Raises:
        DataError: There is not.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist", hint="Check the spelling of the path")
    return path
