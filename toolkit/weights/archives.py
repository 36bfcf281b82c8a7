"""Reads single files of wheels, zips and tar archives; unpacks nothing, follows no link."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from toolkit.weights.network import Unavailable

_CHUNK = 2**20
_BROKEN = (
    OSError, EOFError, RuntimeError, NotImplementedError, ValueError,
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
"""What reading a torn, encrypted or odd archive raises."""


@dataclass(frozen=True)
class Entry:
    """A regular file: alone, or in an archive.

    Attributes:
        name: Its path in the archive; a source archive's top folder is left out.
        size: In bytes.
        chunks: Reads it, piece by piece. Raises Unavailable.
    """

    name: str
    size: int
    chunks: Callable[[], Iterator[bytes]]


def alone(path: Path) -> Entry:
    """A file as it lies there."""
    return Entry(str(path), path.stat().st_size, lambda: _read(lambda: path.open("rb"), str(path)))


def entries(archive: Path) -> Iterator[Entry]:
    """The regular files of an archive, each to be read before the next is asked for.

    Raises:
        Unavailable: It cannot be read.
    """
    try:
        if zipfile.is_zipfile(archive):
            yield from _of_zip(archive)
        else:
            yield from _of_tar(archive)
    except _BROKEN as error:
        raise Unavailable(f"{archive.name} cannot be read as an archive ({error})") from error


def _of_zip(archive: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if not info.is_dir():
                yield Entry(info.filename, info.file_size, _reader(opened.open, info, archive))


def _of_tar(archive: Path) -> Iterator[Entry]:
    with tarfile.open(archive) as opened:
        for info in opened:
            if info.isfile():
                name = info.name.partition("/")[2] or info.name
                yield Entry(name, info.size, _reader(opened.extractfile, info, archive))


def _reader(
    open_member: Callable[..., IO[bytes] | None], info: object, archive: Path
) -> Callable[[], Iterator[bytes]]:
    return lambda: _read(lambda: open_member(info), archive.name)


def _read(open_stream: Callable[[], IO[bytes] | None], origin: str) -> Iterator[bytes]:
    """Turns what fails in reading into Unavailable, so that it is not taken for a full disk."""
    try:
        stream = open_stream()
        if stream is None:
            return
        with closing(stream):
            while chunk := stream.read(_CHUNK):
                yield chunk
    except _BROKEN as error:
        raise Unavailable(f"{origin} cannot be read ({error})") from error
