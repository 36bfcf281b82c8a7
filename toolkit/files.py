"""Writes files and folders atomically, and checks beforehand whether they can be written."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from toolkit.errors import UsageError

_LOG = logging.getLogger(__name__)

CHECK_SPACE = "Check free space and permissions."
"""Hint for operating system errors while writing."""
ANOTHER_FOLDER = "Name another folder: --out DIR"
_SUFFIX = ".part"
"""Suffix of temporary files."""
_RANDOM_BYTES = 8
_NAME_LENGTH = 50
"""Length to which names of temporary files are cut: file systems allow 255 bytes."""
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL}
"""Errors of network folders that do not support locks."""


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file atomically and durably; creates its folder.

    Raises:
        OSError: It cannot be written; an existing file is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing_atomically(path) as stream:
        stream.write(data)


def append_line(path: Path, line: str) -> None:
    """Appends a line to a text file, after the end of one that a kill may have torn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        if stream.tell():
            stream.seek(-1, os.SEEK_END)
            line = line if stream.read(1) == b"\n" else f"\n{line}"
        stream.write(f"{line}\n".encode())


def link_atomically(source: Path, path: Path) -> None:
    """Gives a file, which must not change any more, a second name; copies it where that fails.

    Raises:
        OSError: It cannot be written; an existing file is kept.
    """
    temporary = _temporary_for(path)
    try:
        os.link(source, temporary)  # takes no space
        temporary.replace(path)
    except OSError:  # a file system without links
        write_atomically(path, source.read_bytes())
    finally:
        temporary.unlink(missing_ok=True)  # renaming does nothing where both are the same file


@contextmanager
def writing_atomically(path: Path, *, sync: bool = True) -> Iterator[IO[bytes]]:
    """Yields a stream whose file appears when the block ends; not at all if it raises.

    Args:
        path: The file, which is replaced if it exists. Its folder must exist.
        sync: Whether to write it to disk before it appears, so that it survives a power failure.

    Raises:
        OSError: It cannot be written; an existing file is kept.
    """
    temporary = _temporary_for(path)
    try:
        with temporary.open("xb") as stream:
            yield stream
            if sync:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(path)  # closed, as Windows cannot rename open files
        if sync:
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Writes a folder's list of names to disk, without which a new name may be lost."""
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        _LOG.debug("Cannot sync %s: %s", folder, error)  # some network file systems refuse
    finally:
        os.close(descriptor)


def remove_leftovers(path: Path) -> None:
    """Removes temporary files of killed processes; no other process may be writing there.

    Args:
        path: A file, whose own are removed; or a folder, of all files in it.
    """
    folder, start = (path, ".") if path.is_dir() else (path.parent, _prefix(path))
    for each in folder.iterdir():
        if each.name.startswith(start) and each.name.endswith(_SUFFIX):
            each.unlink(missing_ok=True)


def remove_leftovers_of(paths: Iterable[Path]) -> None:
    """Removes temporary files that killed processes left of many files, listing folders once."""
    prefixes: dict[Path, set[str]] = {}
    for path in paths:
        prefixes.setdefault(path.parent, set()).add(_prefix(path))
    for folder, wanted in prefixes.items():
        for each in folder.glob(f".*{_SUFFIX}"):
            if each.name.removesuffix(_SUFFIX)[: -2 * _RANDOM_BYTES] in wanted:
                each.unlink(missing_ok=True)


def _temporary_for(path: Path) -> Path:
    return path.with_name(f"{_prefix(path)}{secrets.token_hex(_RANDOM_BYTES)}{_SUFFIX}")


def _prefix(path: Path) -> str:
    return f".{path.name[:_NAME_LENGTH]}."


@contextmanager
def appearing_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary folder that is renamed to `path` when the block ends; deleted on errors.

    Args:
        path: The final folder; if it exists, it must be empty.

    Raises:
        UsageError: `path` is not an empty folder, is the current folder, or cannot be written.
    """
    final = path.resolve()
    if final == Path.cwd():
        raise UsageError("The current folder would be replaced.", ANOTHER_FOLDER)
    if final.exists() and not (final.is_dir() and not any(final.iterdir())):
        reason = "already contains files" if final.is_dir() else "is a file"
        raise UsageError(f"{path} {reason}.", ANOTHER_FOLDER)
    folder = _temporary_for(final)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"Cannot write to {path}: {error.strerror}.", ANOTHER_FOLDER) from None
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)  # set by the umask
        yield folder
        for child in folder.rglob("*"):  # some libraries write files for their owner only
            child.chmod(mode if child.is_dir() else mode & 0o666)
        if final.is_dir():
            final.rmdir()
        folder.rename(final)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def check_writable(
    folder: Path, failure: str = "Cannot write to", hint: str = ANOTHER_FOLDER
) -> None:
    """Creates a folder and checks that it is writable, before work is done for it.

    Args:
        folder: The folder; nothing is left in it.
        failure: Beginning of the error message; the folder and the reason follow.
        hint: Hint of the error.

    Raises:
        UsageError: It cannot be created or written into.
    """
    try:
        try_writing(folder)
    except OSError as error:
        raise UsageError(f"{failure} {folder}: {error.strerror or error}.", hint) from error


def try_writing(folder: Path, size: int = 0) -> None:
    """Creates a folder, and a file in it, which is deleted.

    Args:
        folder: The folder.
        size: Number of bytes that are to be written there.

    Raises:
        OSError: The folder cannot be created or written into, or has too little space.
    """
    probe = _temporary_for(folder / "probe")
    folder.mkdir(parents=True, exist_ok=True)
    probe.touch(exist_ok=False)
    probe.unlink()
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def check_can_be_made(folder: Path, hint: str = ANOTHER_FOLDER) -> None:
    """Checks, without writing, that a folder can be created and written into.

    Raises:
        UsageError: It cannot.
    """
    if reason := obstacle(folder):
        raise UsageError(f"Cannot write to {folder}: {reason}.", hint)


def obstacle(folder: Path) -> str:
    """Returns why a folder cannot be created or written into; empty if nothing prevents it.

    Nothing is written, so that not every reason can be detected.
    """
    ancestor = folder.absolute()
    try:
        while not ancestor.exists():
            ancestor = ancestor.parent
        if not ancestor.is_dir():
            return f"{ancestor} is a file"
    except OSError as error:  # such as a folder without permission to enter
        return f"{error.filename or ancestor}: {error.strerror or error}"
    return "" if os.access(ancestor, os.W_OK | os.X_OK) else f"{ancestor} is not writable"


@contextmanager
def locked(path: Path, on_wait: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Runs the block in one process and thread at a time; creates the lock's folder.

    Args:
        path: The lock file, which is kept.
        on_wait: Called if another process or thread holds the lock.

    Raises:
        OSError: The file cannot be written.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait()
            lock.acquire()
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        _LOG.debug("No lock on %s: %s", path, error)  # without a lock, work may be done twice
    try:
        yield
    finally:
        lock.release()
