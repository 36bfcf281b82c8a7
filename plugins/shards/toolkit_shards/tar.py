"""Reads photographs out of a tar file in any order, without unpacking it."""

from __future__ import annotations

import contextlib
import tarfile
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np

from toolkit.image_files import is_image_suffix
from toolkit.plugin import ImageError

LARGEST = 1 << 28
"""Bytes of the largest file that is taken for a photograph."""
_CHUNK = 1 << 20
_AGAIN = "Copy or download the file again"


def is_photograph(name: str) -> bool:
    """Whether a member's name is that of an image; hidden ones are not, such as macOS's `._a.jpg`.

    Example:
        >>> is_photograph("train/0001.jpg"), is_photograph("0001.json"), is_photograph("._1.jpg")
        (True, False, False)
    """
    base = name.rpartition("/")[2]
    return not base.startswith(".") and is_image_suffix(f".{base.rpartition('.')[2]}")


class TarShard:
    """The photographs of a tar file, found by reading its headers once.

    Of a damaged file, all members that can be found are used. Only their places are kept in memory,
    eight bytes for each.

    Args:
        label: Name of the file, for messages.
        file: The file, which is closed by `close`.
        keep: Says by name whether a member is a photograph.

    Attributes:
        fault: Why photographs may be missing; empty if none are.

    Raises:
        ImageError: It is no tar file.
    """

    def __init__(
        self, label: str, file: IO[bytes], keep: Callable[[str], bool] = is_photograph
    ) -> None:
        self._label, self._file = label, file
        self.fault = ""
        try:
            tarfile.TarFile(fileobj=file).close()  # raises if the very first header is damaged
            file.seek(0)
            # Of members with the same name the last counts, as when they are unpacked.
            places = {each.name: each.offset for each in self._members() if _is_file(each, keep)}
        except (tarfile.TarError, OSError, ValueError) as error:
            raise ImageError(
                f"{label} is no tar file: {error}", "Compressed ones must be unpacked: gunzip FILE"
            ) from error
        self._places = np.array(list(places.values()), dtype=np.int64)

    def __len__(self) -> int:
        return len(self._places)

    def read(self, index: int) -> tuple[str, bytes]:
        """Returns a photograph's name and file content.

        Raises:
            ImageError: It is cut short, or too large.
        """
        name = f"photograph {index + 1}"
        try:
            self._file.seek(int(self._places[index]))
            with tarfile.TarFile(fileobj=self._file) as tar:
                member = tar.next()
                content = tar.extractfile(member) if member else None
                if member is None or content is None:
                    raise ImageError(f"{self._label} has changed", _AGAIN)
                name = member.name
                if member.size > LARGEST:
                    raise ImageError(f"{self._label}: {name} has {member.size:,} bytes")
                return name, content.read()
        except (tarfile.TarError, OSError, ValueError) as error:
            raise ImageError(f"{self._label}: {name} cannot be read: {error}", _AGAIN) from error

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __del__(self) -> None:
        self.close()

    def _members(self) -> Iterator[tarfile.TarInfo]:
        """Yields all members, and notes gaps between them, which are damaged ones."""
        last, end = "", 0
        # Goes on at the next header, if one is damaged.
        tar = tarfile.TarFile(fileobj=self._file, ignore_zeros=True)
        with contextlib.suppress(tarfile.ReadError):
            while member := tar.next():
                tar.members.clear()  # type: ignore[attr-defined]  # or it would keep them all
                if last:  # a header for all members may come first
                    self._check(last, end, member.offset)
                last, end = member.name, tar.offset
                yield member
        size = self._file.seek(0, 2)
        if end > size:
            self.fault = f"it is truncated within {last}"
        elif end == size:
            self.fault = f"it has no end mark, and may be truncated after {last}"
        else:
            self._check(last, end, size)

    def _check(self, last: str, start: int, end: int) -> None:
        """Notes a fault if there is anything but zeros in between."""
        self._file.seek(start)
        while start < end and not self.fault:
            chunk = self._file.read(min(_CHUNK, end - start))
            if not chunk or chunk.strip(b"\0"):
                self.fault = f"it is damaged after {last}"
            start += len(chunk)


def _is_file(member: tarfile.TarInfo, keep: Callable[[str], bool]) -> bool:
    return member.isreg() and not member.issparse() and keep(member.name)
