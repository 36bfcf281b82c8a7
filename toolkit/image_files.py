"""Which files of a folder are images: told by their first bytes, or else by their suffix."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from toolkit.errors import DataError

_LOG = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
"""Formats that can be written."""
JPEG_SUFFIXES = frozenset({".jfif", ".jpe", ".jpeg", ".jpg"})
READ = "JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF and JPEG 2000"
"""What can be read, for messages."""

_HEAD = 32
"""Bytes that tell a format."""


class _Format(NamedTuple):
    """An image format, by the suffixes that files of it have."""

    name: str
    suffixes: tuple[str, ...]
    way_out: str = ""
    """What to do with a file of it; empty where it can be read."""


_RAW = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw")
_FORMATS = {
    each.name: each
    for each in (
        _Format("JPEG", tuple(sorted(JPEG_SUFFIXES))),
        _Format("PNG", (".png", ".apng")),
        _Format("WebP", (".webp",)),
        _Format("TIFF", (".tif", ".tiff")),
        _Format("BMP", (".bmp", ".dib")),
        _Format("GIF", (".gif",)),
        _Format("AVIF", (".avif",)),
        _Format("JPEG 2000", (".jp2",)),
        _Format("HEIC", (".heic", ".heif"), "Convert it first: heif-convert IN.heic OUT.png"),
        _Format("JPEG XL", (".jxl",), "Convert it first: djxl IN.jxl OUT.png"),
        _Format("OpenEXR", (".exr",), "Export it as TIFF or PNG with 16 bits."),
        _Format("Photoshop", (".psd",), "Export it as TIFF or PNG."),
        _Format("camera raw", _RAW, "Develop it first, and export it as TIFF or JPEG."),
    )
}
_BY_SUFFIX = {suffix: each for each in _FORMATS.values() for suffix in each.suffixes}
_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"8BPS": "Photoshop",
    b"FUJIFILMCCD-RAW": "camera raw",
    b"IIRO": "camera raw",
    b"IIU\0": "camera raw",
}
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}


def find_images(folder: str | Path) -> list[Path]:
    """Image files below a folder, sorted; hidden files and folders are left out.

    A file counts by its first bytes whatever it is called, or by its suffix whatever it holds: one
    that cannot be read must be told of, not passed over. Links are followed, but not into a folder
    that they lie in.
    """
    return sorted(path for path in _files(Path(folder), frozenset()) if _is_image(path))


def some_images(folder: Path, keep: Callable[[Path], bool] = lambda _path: True) -> list[Path]:
    """What `find_images` finds, of it what is to be kept.

    Raises:
        DataError: There is nothing.
    """
    found = [path for path in find_images(folder) if keep(path)]
    if not found:
        raise DataError(f"The folder {folder} holds no image", hint=f"Images are {READ} files")
    return found


def is_image_suffix(suffix: str) -> bool:
    """Whether files of some image format, read here or not, are called so."""
    return suffix.lower() in _BY_SUFFIX


def why_unreadable(path: Path) -> tuple[str, str]:
    """Why a file cannot be an image that is read here, and the way out; empty where it can."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        gone = path.is_symlink() and not path.exists()
        reason = f"a link to {path.readlink()}, which is not there" if gone else ""
        return reason or f"not readable: {error.strerror}", "Check the path and its permissions"
    if not head:
        return "empty", "Copy or download the file again"
    found = _told_by(head, path)
    if found is None:
        return "damaged or not an image", ""
    if found.way_out:
        return f"a {found.name} file, which cannot be read here", found.way_out
    return "", ""


def existing(path: Path) -> Path:
    """The path, where there is something.

    Raises:
        DataError: There is not.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist", hint="Check the spelling of the path")
    return path


def _files(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    """Everything below a folder that is no folder; `above` are the folders that it lies in."""
    try:
        status = folder.stat()
        entries = list(os.scandir(folder))
    except OSError as error:
        _LOG.warning("The folder %s cannot be searched: %s", folder, error.strerror)
        return
    own = status.st_dev, status.st_ino
    if own in above:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _files(Path(entry.path), above | {own})
        else:
            yield Path(entry.path)


def _is_image(path: Path) -> bool:
    if path.suffix.lower() in _BY_SUFFIX:
        return path.is_file() or path.is_symlink()
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return _told_by(file.read(_HEAD), path) is not None
    except OSError:
        return False


def _told_by(head: bytes, path: Path) -> _Format | None:
    """The format that the first bytes are of; camera raw files pass for TIFF but by suffix."""
    if path.suffix.lower() in _RAW:
        return _FORMATS["camera raw"]
    for start, name in _STARTS.items():
        if head.startswith(start):
            return _FORMATS[name]
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _FORMATS["WebP"]
    if head[4:8] == b"ftyp":
        return _of_brands(head[8:12], head[16:])
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return _FORMATS["BMP"]
    return None


def _of_brands(major: bytes, others: bytes) -> _Format | None:
    """The image format of an ISO base media file, such as AVIF, by its brands; none for a film."""
    if major in {b"avif", b"avis"} or (major in {b"mif1", b"msf1"} and b"avif" in others):
        return _FORMATS["AVIF"]
    if major in {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
        return _FORMATS["HEIC"]
    return _FORMATS["camera raw"] if major == b"crx " else None
