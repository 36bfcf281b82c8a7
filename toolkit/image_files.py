"""Which files of a folder are images, without opening one."""

from __future__ import annotations

from pathlib import Path

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
