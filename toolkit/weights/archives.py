"""Reads single files of wheels, zip and tar archives, without unpacking or following links."""

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
"""Exceptions raised by reading a damaged, encrypted or unsupported archive."""


@dataclass(frozen=True)
class Entry:
    """A regular file, bare or in an archive.

    Attributes:
        name: Path in the archive, without the top folder of a source archive.
        size: Size in bytes.
        chunks: Reads the content in chunks; raises `Unavailable`.
    """

    name: str
    size: int
    chunks: Callable[[], Iterator[bytes]]


def alone(path: Path) -> Entry:
    """Returns the entry of a bare file."""
    return Entry(str(path), path.stat().st_size, lambda: _read(lambda: path.open("rb"), str(path)))


def entries(archive: Path) -> Iterator[Entry]:
    """Yields the regular files of an archive; read an entry before requesting the next.

    Raises:
        Unavailable: The archive cannot be read.
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
    """Raises reading errors as `Unavailable`, to distinguish them from errors of the cache."""
    try:
        stream = open_stream()
        if stream is None:
            return
        with closing(stream):
            while chunk := stream.read(_CHUNK):
                yield chunk
    except _BROKEN as error:
        raise Unavailable(f"{origin} cannot be read ({error})") from error
