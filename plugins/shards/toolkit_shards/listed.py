"""A dataset of single files, named in a text file or found in a remote folder."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.files import write_atomically
from toolkit.plugin import DataError, ImageError, Sample
from toolkit_shards import remote
from toolkit_shards.images import photograph
from toolkit_shards.locations import beside
from toolkit_shards.order import line_of
from toolkit_shards.tar import is_photograph

_CHUNK = 1 << 24
_BOM = b"\xef\xbb\xbf"


class ListedPhotographs:
    """Photographs whose paths or URLs are the lines of a text file.

    Of the list, only the places of its lines are kept in memory, eight bytes for each.

    Args:
        name: Name of the dataset.
        source: The list, or a folder whose images are listed now: a path or URL.
        kept: Folder for a copy of a remote list.
        min_side: Shorter side to which JPEGs may be reduced while decoding; 0 for full size.

    Raises:
        DataError: The list cannot be read, or is empty.
    """

    skipped: tuple[tuple[str, str], ...] = ()

    def __init__(self, name: str, source: str, kept: Path, min_side: int = 0) -> None:
        self.name, self._min_side = name, min_side
        try:
            self._path, self._folder = _local(source, kept)
        except ImageError as error:
            raise DataError(str(error), error.hint) from error
        self._lines = _Lines(self._path)
        if not len(self._lines):
            raise DataError(
                f"There is no image in {source}.", "Give a list with one path or URL a line."
            )

    @property
    def files(self) -> dict[str, Path]:
        """The list itself."""
        return {self._path.name: self._path}

    def draw(self, seed: int, number: int, attempt: int = 0) -> Sample:
        """Returns the photograph of a sample, determined by the arguments alone.

        Raises:
            ImageError: It cannot be read.
        """
        return self[line_of(seed, number, attempt, len(self._lines))]

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self._lines):
            raise IndexError(index)
        line = self._lines[index]
        url = beside(self._folder, line)
        folder, _, name = url.replace("\\", "/").rpartition("/")
        return Sample(line, photograph(folder, name, remote.read(url), self._min_side))


class _Lines:
    """The lines of a text file, without blank ones; read when asked for.

    It may be pickled, and used after a fork and by several threads.

    Args:
        path: The file, in UTF-8.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts = _starts(path)
        self._file: IO[bytes] | None = None
        self._process = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> str:
        if self._process != os.getpid():
            self._process, self._lock = os.getpid(), threading.Lock()
            self._file = self._path.open("rb")
        with self._lock:
            assert self._file is not None
            self._file.seek(int(self._starts[index]))
            line = self._file.readline()
        return line.removeprefix(_BOM).decode(errors="surrogateescape").strip()

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path, "_starts": self._starts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _file=None, _process=0, _lock=threading.Lock())

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()


def _local(source: str, kept: Path) -> tuple[Path, str]:
    """Returns a list as a local file, and the folder that its lines are relative to."""
    if source.endswith("/") or (not remote.is_url(source) and Path(source).is_dir()):
        folder = source.rstrip("/")
        lines = [url for url in remote.find(source) if is_photograph(url)]
        content = "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")
    elif remote.is_url(source):
        folder, content = source.rpartition("/")[0], remote.read(source)
    else:
        path = Path(source)
        if not path.is_file():
            raise DataError(f"There is no list {source}.", "Check the path.")
        return path, str(path.parent)
    path = kept / f"{hashlib.sha256(content).hexdigest()[:32]}.txt"
    if not path.is_file():
        write_atomically(path, content)
    return path, folder


def _starts(path: Path) -> NDArray[np.int64]:
    """Returns where the lines begin that are not blank."""
    starts, place = [np.zeros(1, np.int64)], 0
    blank: list[int] = []
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n"))
            starts.append(ends.astype(np.int64) + place + 1)
            place += len(chunk)
        found = np.concatenate(starts)
        lengths = np.diff(np.append(found, place))
        for index in np.flatnonzero(lengths <= 2):  # blank ones, or names of one letter
            file.seek(int(found[index]))
            if not file.readline().strip():
                blank.append(int(index))
    return np.delete(found, blank)
