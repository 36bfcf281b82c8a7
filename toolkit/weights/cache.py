"""The folder of cached files: each whole and checked, fetched by one process at a time."""

from __future__ import annotations

import errno
import functools
import hashlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING

from toolkit.errors import WeightsError, without_temporary_folder
from toolkit.paths import user_path
from toolkit.weights.network import Unavailable

if TYPE_CHECKING:
    from toolkit.component import WeightFile

_LOG = logging.getLogger(__name__)
_FEWEST_DIGITS = 8


class State(StrEnum):
    """Of a file in the cache."""

    cached = "cached"
    missing = "missing"
    damaged = "damaged"


def home() -> Path:
    """The folder for cached files: `TOOLKIT_HOME`, else the user's cache folder.

    Where there is none and none can be made, as without an account or with a home that is read
    only, it is a private folder among the temporary ones.

    Raises:
        WeightsError: That one belongs to somebody else.
    """
    if named := os.environ.get("TOOLKIT_HOME"):
        return user_path(named)
    cache = user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    folder = cache / "restoration-toolkit"
    return folder if _can_exist(folder) else _private_folder(folder)


def _can_exist(folder: Path) -> bool:
    """Whether a folder is there or could be made."""
    if folder.parts[0] == "~":  # there is no account, and no HOME
        return False
    try:
        while not folder.exists():
            folder = folder.parent
            if folder.exists():
                return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    except OSError:  # such as one that may not be entered
        return False
    return True


@functools.cache
def _private_folder(instead_of: Path) -> Path:
    """A folder that nobody else may write into, the same every time."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    hint = "Name a folder of your own: TOOLKIT_HOME=/a/folder"
    try:
        folder = Path(tempfile.gettempdir(), f"restoration-toolkit-{user}")
    except FileNotFoundError as error:
        told = without_temporary_folder(error) or error
        raise WeightsError(
            f"There is no folder for cached files: {instead_of} cannot be used. {told}", hint
        ) from None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise WeightsError(
            f"There is no folder for cached files: neither {instead_of} nor {folder} can be used "
            f"({error.strerror}).", hint,
        ) from None  # fmt: skip
    owned = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    if not (stat.S_ISDIR(found.st_mode) and owned and not found.st_mode & 0o022):
        raise WeightsError(f"{folder} is not yours alone, so nothing can be cached there.", hint)
    _LOG.warning(
        "%s cannot be made; files are cached in %s, for as long as that is kept. %s",
        instead_of, folder, hint,
    )  # fmt: skip
    return folder


def path_of(file: WeightFile) -> Path:
    """Where the cache keeps a file, whether it is there or not."""
    return home() / "weights" / file.name


def aside(file: WeightFile) -> Path:
    """Where a damaged copy waits until a good one has come."""
    return path_of(file).with_name(f"{file.name}.damaged")


def check(file: WeightFile) -> State:
    """Whether the cache holds a file, whole; reads all of it."""
    path = path_of(file)
    if not path.is_file():
        return State.missing
    return State.cached if matches(digest(path), file.sha256) else State.damaged


def verify(path: Path, sha256: str) -> Path:
    """Returns `path` if the file has this SHA-256, of which leading digits are enough.

    Raises:
        WeightsError: It has another.
    """
    if not matches(found := digest(path), sha256):
        raise WeightsError(
            f"{path} is not the expected file: its SHA-256 is {found}, not {sha256}.",
            "Delete it; it is fetched again when it is needed.",
        )
    return path


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def matches(found: str, pinned: str) -> bool:
    """Whether a SHA-256 is the pinned one, or begins with the digits that are pinned."""
    return len(pinned) >= _FEWEST_DIGITS and found.startswith(pinned.lower())


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file that exists whole or not at all."""
    with _writing(path) as stream:
        stream.write(data)


def keep(file: WeightFile, chunks: Iterable[bytes], origin: str) -> Path:
    """Puts a file into the cache, if its content is the expected one.

    Raises:
        Unavailable: It is not; nothing is left of it.
        OSError: The cache cannot be written.
    """
    found = hashlib.sha256()
    with _writing(path_of(file)) as stream:
        for chunk in chunks:
            found.update(chunk)
            stream.write(chunk)
        if not matches(found.hexdigest(), file.sha256):
            raise Unavailable(f"{origin} has SHA-256 {found.hexdigest()}, not {file.sha256}")
    return path_of(file)


def prepare(file: WeightFile) -> None:
    """Makes sure, before a long download, that there is a folder to put the file into.

    Raises:
        OSError: The folder cannot be written, or has too little space.
    """
    folder = path_of(file).parent
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(f".{file.name}.*"):  # of a process that was killed
        leftover.unlink(missing_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
    if shutil.disk_usage(folder).free < file.size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


@contextmanager
def lock() -> Iterator[None]:
    """Lets one process fetch at a time; the next then finds the files in the cache."""
    try:
        import fcntl
    except ImportError:  # without it two processes may both fetch, which only takes longer
        yield
        return
    home().mkdir(parents=True, exist_ok=True)
    with (home() / ".lock").open("a", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _LOG.info("Waiting for another process that is fetching weight files")
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError as error:
            _LOG.debug("No lock on %s: %s", stream.name, error)  # some network folders have none
        yield


def unusable(error: OSError) -> WeightsError:
    """What to tell a user whose cache cannot be written or read."""
    if known := without_temporary_folder(error):
        return WeightsError(str(known), known.hint)
    place = f" ({error.filename})" if error.filename else ""
    return WeightsError(
        f"The cache of weight files, {home() / 'weights'}, cannot be used: "
        f"{error.strerror or error}{place}.",
        "Is there space, and may it be written? TOOLKIT_HOME=/another/folder moves it, "
        "TMPDIR the folder that downloads pass through.",
    )


@contextmanager
def _writing(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears when the block ends, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as stream:
        try:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            Path(stream.name).chmod(0o644)
            Path(stream.name).replace(path)
        except BaseException:
            Path(stream.name).unlink(missing_ok=True)
            raise
