"""Local copies of remote files, in a folder of bounded size."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from toolkit.files import locked, remove_leftovers, writing_atomically
from toolkit.plugin import DataError

_A_DAY = 86400
_TRIES = 5


@dataclass(frozen=True)
class Copies:
    """Files that several processes share; those not used for the longest time make room.

    Attributes:
        folder: Where they are; created when needed.
        limit: Bytes that they may take together. The newest one is kept even if it is larger.
    """

    folder: Path
    limit: int

    def open(self, name: str, make: Callable[[Path], None]) -> IO[bytes]:
        """Opens a copy for reading.

        Args:
            name: What it is a copy of; another name is another copy.
            make: Writes the copy to a path; called by one process at a time, if there is none.

        Raises:
            DataError: The folder cannot be written, or is far too small.
        """
        path = self.folder / hashlib.sha256(name.encode()).hexdigest()[:32]
        try:
            for _ in range(_TRIES):
                if found := _open(path) or self._made(path, make):
                    return found
        except OSError as error:
            raise DataError(
                f"Copies of shards cannot be kept in {self.folder}: {error.strerror or error}.",
                "Check space and permissions, or name another folder: TOOLKIT_HOME=/a/folder",
            ) from error
        raise DataError(
            f"Copies in {self.folder} are removed before they can be read.",
            "Allow more space: --set data.cache=100",
        )

    def _made(self, path: Path, make: Callable[[Path], None]) -> IO[bytes] | None:
        """Makes a copy and opens it; None if another process has removed it in between."""
        # One lock of 256 for each, as files of locks are never deleted.
        with locked(self.folder / f"{path.name[:2]}.lock"):
            if found := _open(path):
                return found
            remove_leftovers(path)
            with writing_atomically(path, sync=False) as stream:
                make(Path(stream.name))
            made = _open(path)  # it remains readable if it is removed now
            self._make_room(path)
            return made

    def _make_room(self, newest: Path) -> None:
        with locked(self.folder / "all.lock"):
            files = []
            for entry in os.scandir(self.folder):
                with contextlib.suppress(FileNotFoundError):  # renamed or removed by another
                    status = entry.stat()
                    files.append((status.st_mtime_ns, status.st_size, Path(entry.path)))
            copies = sorted(each for each in files if each[2].suffix not in {".lock", ".part"})
            for changed, _, path in files:  # of processes that were killed
                if path.suffix == ".part" and changed < (time.time() - _A_DAY) * 1e9:
                    _remove(path)
            total = sum(size for _, size, _ in copies)
            for _, size, path in copies:
                if total <= self.limit:
                    return
                if path != newest and _remove(path):
                    total -= size


def _open(path: Path) -> IO[bytes] | None:
    """Opens a copy, and notes that it was used."""
    try:
        found = path.open("rb")
    except FileNotFoundError:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return found


def _remove(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # open in another process, on Windows
        return False
    return True
