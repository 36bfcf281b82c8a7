"""The cache: complete, verified files, fetched by one process at a time."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from toolkit.errors import WeightsError, without_temporary_folder
from toolkit.files import (
    CHECK_SPACE,
    locked,
    obstacle,
    remove_leftovers,
    try_writing,
    write_atomically,
    writing_atomically,
)
from toolkit.paths import user_path
from toolkit.weights.network import Unavailable

if TYPE_CHECKING:
    from toolkit.weights.files import WeightFile

_LOG = logging.getLogger(__name__)
_NAME = "restoration-toolkit"
_FEWEST_DIGITS = 8


class State(StrEnum):
    """State of a file in the cache."""

    cached = "cached"
    missing = "missing"
    damaged = "damaged"


def home() -> Path:
    """Returns the cache folder: `TOOLKIT_HOME`, else the user's cache folder.

    If that cannot be created, as without an account or with a read-only home, a private temporary
    folder is used.

    Raises:
        WeightsError: The temporary folder cannot be used, or belongs to another user.
    """
    if named := os.environ.get("TOOLKIT_HOME"):
        return user_path(named)
    if sys.platform in {"win32", "darwin"}:
        folder = platformdirs.user_cache_path(_NAME, appauthor=False)
    else:
        folder = user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / _NAME
    return folder if _can_exist(folder) else _private_folder(folder)


def _can_exist(folder: Path) -> bool:
    """Whether a folder exists or can be created."""
    if folder.parts[0] == "~":  # neither an account nor HOME
        return False
    try:
        return folder.exists() or not obstacle(folder)
    except OSError:  # such as a parent without permission to enter
        return False


@functools.cache
def _private_folder(instead_of: Path) -> Path:
    """Creates a temporary folder that only the user can write into; its name is always the same."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    hint = "Name a folder of your own: TOOLKIT_HOME=/a/folder"
    try:
        folder = Path(tempfile.gettempdir(), f"{_NAME}-{user}")
    except FileNotFoundError as error:
        reason = without_temporary_folder(error) or error
        raise WeightsError(
            f"There is no folder for cached files: {instead_of} cannot be used. {reason}", hint
        ) from None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise WeightsError(
            f"There is no folder for cached files: neither {instead_of} nor {folder} can be used "
            f"({error.strerror}).", hint,
        ) from None  # fmt: skip
    # Without user ids, as on Windows, every user has a temporary folder of their own.
    private = not hasattr(os, "getuid") or (
        status.st_uid == os.getuid() and not status.st_mode & 0o022
    )
    if not (stat.S_ISDIR(status.st_mode) and private):
        raise WeightsError(
            f"{folder} is not a private folder, so nothing can be cached there.", hint
        )
    _LOG.warning(
        "%s cannot be created; files are cached in %s, which may be deleted at any time. %s",
        instead_of, folder, hint,
    )  # fmt: skip
    return folder


def path_of(file: WeightFile) -> Path:
    """Returns a file's path in this cache, whether or not it exists."""
    return home() / "weights" / file.name


def aside(file: WeightFile) -> Path:
    """Returns the path to which a damaged copy is moved until it is replaced."""
    return path_of(file).with_name(f"{file.name}.damaged")


def recorded(file: WeightFile) -> Path:
    """Returns the path of the SHA-256 that a file without a pinned one had when it was supplied."""
    return path_of(file).with_name(f"{file.name}.sha256")


def pin(file: WeightFile) -> str:
    """Returns the SHA-256 that a file must have: the pinned, else the recorded one; else empty."""
    if file.sha256 or not recorded(file).is_file():
        return file.sha256
    return recorded(file).read_text(encoding="ascii", errors="replace").strip()


def verify(path: Path, sha256: str) -> Path:
    """Returns `path` if the file has this SHA-256, or begins with these digits.

    Raises:
        WeightsError: The SHA-256 differs.
    """
    if not matches(actual := digest(path), sha256):
        raise WeightsError(
            f"{path} is not the expected file: its SHA-256 is {actual}, not {sha256}.",
            "Delete it; it will be fetched again when needed.",
        )
    return path


def digest(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def matches(actual: str, pinned: str) -> bool:
    """Whether a SHA-256 equals the pinned one, or begins with the pinned digits."""
    return len(pinned) >= _FEWEST_DIGITS and actual.startswith(pinned.lower())


def keep(file: WeightFile, chunks: Iterable[bytes], origin: str, *, supplied: bool = False) -> Path:
    """Writes a file to the cache if its content is as expected.

    Args:
        file: The expected file.
        chunks: Its content.
        origin: Where it comes from, for the error.
        supplied: Whether the user supplies it: without a pinned SHA-256, its own is recorded.

    Raises:
        Unavailable: The content differs; nothing is kept.
        OSError: The cache cannot be written.
    """
    sha256 = hashlib.sha256()
    path = path_of(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing_atomically(path) as stream:
        for chunk in chunks:
            sha256.update(chunk)
            stream.write(chunk)
        unknown = supplied and not file.sha256
        if not unknown and not matches(sha256.hexdigest(), file.sha256):
            raise Unavailable(f"{origin} has SHA-256 {sha256.hexdigest()}, not {file.sha256}")
        recorded(file).unlink(missing_ok=True)
    if unknown:
        write_atomically(recorded(file), f"{sha256.hexdigest()}\n".encode())
    return path


def prepare(file: WeightFile) -> None:
    """Checks, before a long download, that the file can be stored.

    Raises:
        OSError: The folder cannot be written, or has too little space.
    """
    folder = path_of(file).parent
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path_of(file))  # before the space is measured
    try_writing(folder, file.size)


@contextmanager
def lock() -> Iterator[None]:
    """Lets one process fetch at a time; others wait, and then find the files in the cache."""
    message = "Waiting for another process that is fetching weight files"
    with locked(home() / ".lock", lambda: _LOG.info(message)):
        yield


def unusable(error: OSError) -> WeightsError:
    """Returns the error to raise if the cache cannot be written or read."""
    if explained := without_temporary_folder(error):
        return WeightsError(str(explained), explained.hint)
    path = f" ({error.filename})" if error.filename else ""
    return WeightsError(
        f"The cache of weight files, {home() / 'weights'}, cannot be used: "
        f"{error.strerror or error}{path}.",
        f"{CHECK_SPACE} TOOLKIT_HOME=/another/folder moves it, TMPDIR the folder that downloads "
        "pass through.",
    )
