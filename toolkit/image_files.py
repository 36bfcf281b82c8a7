"""Finds image files, and recognises their format by their first bytes or their suffix."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from toolkit.errors import DataError

_LOG = logging.getLogger(__name__)

JPEG_SUFFIXES = frozenset({".jfif", ".jpe", ".jpeg", ".jpg"})
TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
READ = "JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, HEIC, JPEG XL and JPEG 2000"
"""Formats that can be read, for messages."""

_HEAD = 32
"""Number of leading bytes that identify a format."""


class _Format(NamedTuple):
    """An image format and its file suffixes."""

    name: str
    suffixes: tuple[str, ...]
    way_out: str = ""
    """How to convert a file of it; empty if it can be read."""
    module: str = ""
    """Module of an optional library that reads and writes it; empty if none is needed."""
    distributions: str = ""
    """Names to install that library by, and what it needs for all files."""

    @property
    def lacking(self) -> str:
        """How to install the library that the format needs; empty if nothing lacks."""
        if not self.module or find_spec(self.module):
            return ""
        return f"Install what reads and writes it: pip install {self.distributions}"

    @property
    def usual(self) -> str:
        """The suffix that most programs use."""
        return ".jpg" if self.name == "JPEG" else self.suffixes[0]


_RAW = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw")
_FORMATS = {
    format_.name: format_
    for format_ in (
        _Format("JPEG", tuple(sorted(JPEG_SUFFIXES))),
        _Format("PNG", (".png", ".apng")),
        _Format("WebP", (".webp",)),
        _Format("TIFF", (".tif", ".tiff")),
        _Format("BMP", (".bmp", ".dib")),
        _Format("GIF", (".gif",)),
        _Format("AVIF", (".avif",)),
        _Format("JPEG 2000", (".jp2",)),
        _Format("HEIC", tuple(sorted(HEIC_SUFFIXES)), "", "pillow_heif", "pillow-heif"),
        _Format("JPEG XL", (".jxl",), "", "pillow_jxl", "pillow-jxl-plugin brotli"),
        _Format("OpenEXR", (".exr",), "Export it as TIFF or PNG with 16 bits."),
        _Format("Photoshop", (".psd",), "Export it as TIFF or PNG."),
        _Format("camera raw", _RAW, "Develop it first, and export it as TIFF or JPEG."),
    )
}
_BY_SUFFIX = {suffix: format_ for format_ in _FORMATS.values() for suffix in format_.suffixes}
_ONLY_READ = frozenset({".apng", ".dib", ".gif", ".jp2"})
_WRITABLE = {
    suffix: format_
    for suffix, format_ in _BY_SUFFIX.items()
    if not format_.way_out and suffix not in _ONLY_READ
}
IMAGE_SUFFIXES = frozenset(suffix for suffix in _WRITABLE if not _WRITABLE[suffix].lacking)
"""Formats that can be written, with the libraries that are installed."""
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
    """Returns the image files below a folder, sorted; hidden files and folders are omitted.

    A file is an image if its first bytes or its suffix say so; damaged files are included, so that
    they can be reported. Links are followed, except to a folder that contains them.
    """
    found = [each.path for each in _files(Path(folder), frozenset()) if _is_image(each)]
    # As paths would be sorted, which takes several times as long and as much memory.
    found.sort(key=lambda path: os.path.normcase(path).split(os.sep))  # noqa: PTH206
    return [Path(path) for path in found]


def some_images(folder: Path, keep: Callable[[Path], bool] = lambda _path: True) -> list[Path]:
    """Returns the images of `find_images` for which `keep` is true.

    Raises:
        DataError: There are none.
    """
    images = [path for path in find_images(folder) if keep(path)]
    if not images:
        raise DataError(f"The folder {folder} contains no image", hint=f"Images are {READ} files")
    return images


def is_image_suffix(suffix: str) -> bool:
    """Whether a suffix is that of an image format, readable or not."""
    return suffix.lower() in _BY_SUFFIX


def why_unwritable(suffix: str) -> tuple[str, str]:
    """Returns why files of a suffix cannot be written, and a hint; both are empty if they can."""
    format_ = _WRITABLE.get(suffix.lower())
    if format_ is None:
        hint = f"Name it with one of {' '.join(sorted(IMAGE_SUFFIXES))}"
        return f"the format '{suffix}' is unknown", hint
    if format_.lacking:
        return f"a library for {format_.name} files is not installed", format_.lacking
    return "", ""


def why_unreadable(path: Path) -> tuple[str, str]:
    """Returns why a file is not a readable image, and a hint; both are empty if it may be one."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        dangling = path.is_symlink() and not path.exists()
        reason = f"a link to {path.readlink()}, which does not exist" if dangling else ""
        return reason or f"not readable: {error.strerror}", "Check the path and its permissions"
    return why_no_image(head, path)


def why_no_image(data: bytes, path: Path) -> tuple[str, str]:
    """Returns the same for a file's content, or its beginning; `path` may be a mere name."""
    head = data[:_HEAD]
    if not head:
        return "empty", "Copy or download the file again"
    format_ = _format_of(head, path)
    if format_ is None:
        return "damaged or not an image", ""
    if way_out := format_.way_out or format_.lacking:
        return f"a {format_.name} file, which cannot be read here", way_out
    return "", ""


def suffix_of_data(data: bytes) -> str:
    """Returns the usual suffix of an image file's content; empty if it is none."""
    format_ = _format_of(data[:_HEAD], Path())
    return format_.usual if format_ else ""


def format_name(data: bytes, path: Path) -> str:
    """Returns the name of the format of a file's content, such as JPEG; empty if unknown."""
    format_ = _format_of(data[:_HEAD], path)
    return format_.name if format_ else ""


def existing(path: Path) -> Path:
    """Returns the path if it exists.

    Raises:
        DataError: It does not exist.
    """
    if not path.exists():
        raise missing(path)
    return path


def missing(path: Path) -> DataError:
    """Returns the error that a path does not exist."""
    return DataError(f"{path} does not exist", hint="Check the spelling of the path")


def _files(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[os.DirEntry[str]]:
    """Yields the files below a folder; `above` identifies its parents, to detect cycles."""
    try:
        status = folder.stat()
        entries = list(os.scandir(folder))
    except OSError as error:
        _LOG.warning("The folder %s cannot be searched: %s", folder, error.strerror)
        return
    identity = status.st_dev, status.st_ino
    if identity in above:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _files(Path(entry.path), above | {identity})
        else:
            yield entry


def _is_image(entry: os.DirEntry[str]) -> bool:
    try:
        if is_image_suffix(os.path.splitext(entry.name)[1]):  # noqa: PTH122 - a path takes longer
            return entry.is_symlink() or entry.is_file()
        if not entry.is_file():
            return False
        path = Path(entry.path)
        with path.open("rb") as file:
            return _format_of(file.read(_HEAD), path) is not None
    except OSError:
        return False


def _format_of(head: bytes, path: Path) -> _Format | None:
    """Identifies a format by its first bytes; camera raw by suffix, as it may look like TIFF."""
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
    """Identifies an ISO base media file, such as AVIF, by its brands; None if it is a video."""
    if major in {b"avif", b"avis"} or (major in {b"mif1", b"msf1"} and b"avif" in others):
        return _FORMATS["AVIF"]
    if major in {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
        return _FORMATS["HEIC"]
    return _FORMATS["camera raw"] if major == b"crx " else None
