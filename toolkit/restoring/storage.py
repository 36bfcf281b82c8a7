"""Images on remote storage, such as `s3://bucket/scans`, through fsspec and universal-pathlib.

A remote path has the methods of `pathlib.Path`, and is treated as one wherever these suffice. Work
itself is done on local copies, so that it is the same wherever its files are.
"""

from __future__ import annotations

import glob
import os
import posixpath
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from toolkit.errors import DataError, ImageError, ToolkitError, UsageError
from toolkit.image_files import READ, is_image_suffix, missing
from toolkit.paths import user_path

if TYPE_CHECKING:
    from toolkit.restoring.folder import Restored, Work
    from toolkit.restoring.jobs import Job
    from toolkit.restoring.tiles import OnTile

_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs"}
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "hf"}
"""Storages in which a file appears when its upload is complete."""


def location(text: str | Path) -> Path:
    """Returns the path, or the URL, that a user names.

    Args:
        text: A path; `file://…`, which is a path; or the URL of a remote file or folder, as
            `s3://bucket/scans`.

    Raises:
        UsageError: There is no such kind of storage, or a package is missing.
    """
    if not isinstance(text, str):
        return text
    kind, is_url, _ = text.partition("://")
    if not is_url:
        return user_path(text)
    if kind == "file":
        return Path(url2pathname(urlsplit(text).path))
    try:
        from upath import UPath

        remote = UPath(text)
        remote.fs  # noqa: B018 - imports what it needs
    except ImportError as error:
        packages = ("universal-pathlib", _PACKAGES.get(kind, ""))
        wanted = " ".join(filter(None, packages))
        raise UsageError(f"{text} cannot be opened: {error}.", f"pip install {wanted}") from error
    except ValueError as error:
        raise UsageError(
            f"{text} cannot be opened: {error}.", "Use a path, s3://, gs://, abfs:// or sftp://."
        ) from error
    return cast("Path", remote)


def is_remote(path: Path) -> bool:
    """Whether a path is on remote storage."""
    return not isinstance(path, Path)


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path is below a resolved folder; neither needs to exist."""
    return is_remote(path) == is_remote(folder) and path.resolve().is_relative_to(folder)


def remote_matches(path: Path) -> list[Path]:
    """Returns the remote path, or what matches it if it is a pattern, sorted.

    Raises:
        DataError: It does not exist, or the storage cannot be reached.
    """
    system, name, _ = _opened(path)
    with _reaching(path):
        try:
            system.info(name)
        except FileNotFoundError:
            if not glob.has_magic(name):
                raise missing(path) from None
            found = [each for each in _like(path, system.glob(name)) if each.name[0] != "."]
            return sorted(found, key=lambda each: each.parts)
    return [path]


def remote_images(folder: Path, keep: Callable[[Path], bool]) -> list[Path]:
    """Returns the images below a remote folder for which `keep` is true, sorted.

    Their suffixes tell that they are images. Hidden files and folders are omitted.

    Raises:
        DataError: There are none, or the storage cannot be reached.
    """
    system, name, _ = _opened(folder)
    with _reaching(folder):
        found = [path for path in _like(folder, system.find(name)) if is_image_suffix(path.suffix)]
    images = [
        path
        for path in found
        if keep(path) and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    ]
    if not images:
        raise DataError(f"The folder {folder} contains no image", hint=f"Images are {READ} files")
    return sorted(images, key=lambda path: path.parts)


def finder(paths: Iterable[Path]) -> Callable[[Path], bool]:
    """Returns a function that tells whether one of `paths` exists; remote ones are listed once.

    Raises:
        DataError: The storage cannot be reached.
    """
    folders: dict[Any, tuple[Path, list[str]]] = {}
    for path in filter(is_remote, paths):
        system, name, _ = _opened(path)
        folders.setdefault(system, (path, []))[1].append(posixpath.dirname(name))
    there: dict[Any, set[str]] = {}
    for system, (path, names) in folders.items():
        system.invalidate_cache()
        with _reaching(path), suppress(FileNotFoundError):
            there[system] = set(system.find(posixpath.commonpath(names)))

    def exists(path: Path) -> bool:
        if not is_remote(path):
            return path.exists()
        system, name, _ = _opened(path)
        return name in there.get(system, ())

    return exists


def check_storage(folders: Iterable[Path]) -> None:
    """Writes a small file into one of the remote folders of each storage, and removes it.

    Raises:
        UsageError: It cannot be written.
    """
    for folder in {_opened(folder)[0]: folder for folder in folders}.values():
        probe = folder / f".{secrets.token_hex(8)}.part"
        system, name, kind = _opened(probe)
        with _reaching(folder, UsageError, "Cannot write into"):
            if kind not in _OBJECT_STORES:
                system.makedirs(posixpath.dirname(name), exist_ok=True)
            system.pipe_file(name, b"")
        with suppress(Exception):  # who may write may not always delete
            system.rm_file(name)


def on_local_files(work: Work) -> Work:
    """Returns work that also takes jobs with remote files, and does them on local copies.

    Results are uploaded whole. Errors name the files that the user knows.
    """

    def staged(job: Job, on_tile: OnTile) -> Restored:
        if not is_remote(job.source) and not is_remote(job.destination):
            return work(job, on_tile)
        with TemporaryDirectory(prefix="restore-") as folder:
            near, names = job, {}
            if is_remote(job.source):
                near = replace(near, source=Path(folder, "in", job.source.name))
                names[str(near.source)] = str(job.source)
                _download(job.source, near.source)
            if is_remote(job.destination):
                near = replace(near, destination=Path(folder, "out", job.destination.name))
                near.destination.parent.mkdir()
                names[str(near.destination.parent)] = str(job.destination.parent)
            try:
                result = work(near, on_tile)
            except ToolkitError as error:
                raise _naming(error, names) from error
            made = result.job.destination
            if is_remote(job.destination):
                destination = job.destination.with_name(made.name)  # may have become PNG
                if not result.error:
                    _upload(made, destination, replace_it=destination == job.destination)
                made = destination
            failure = result.error
            if isinstance(failure, ToolkitError):
                failure = _naming(failure, names)
            return replace(result, job=replace(job, destination=made), error=failure)

    return staged


def _download(source: Path, path: Path) -> None:
    system, name, _ = _opened(source)
    path.parent.mkdir()
    with _reaching(source, ImageError, "Cannot read"):
        system.get_file(name, str(path))


def _upload(path: Path, destination: Path, *, replace_it: bool) -> None:
    """Writes a file whole or not at all."""
    from fsspec import AbstractFileSystem

    system, name, kind = _opened(destination)
    with _reaching(destination, ImageError, "Cannot write"):
        if not replace_it and destination.exists():
            raise ImageError(f"{destination} exists already", f"Use --out {destination}")
        if kind not in _OBJECT_STORES:
            system.makedirs(posixpath.dirname(name), exist_ok=True)
        if kind in _OBJECT_STORES or type(system).mv is AbstractFileSystem.mv:  # cannot rename
            system.put_file(str(path), name)
            return
        # A killed process leaves it; the next one to write the same file takes it over.
        part = f"{posixpath.dirname(name)}/.{sha256(name.encode()).hexdigest()[:16]}.part"
        system.put_file(str(path), part)
        system.mv(part, name)


def _naming(error: ToolkitError, names: dict[str, str]) -> ToolkitError:
    """Returns the error with other names of files."""
    told, hint = str(error), error.hint
    for near, far in names.items():
        told, hint = (
            text.replace(near + os.sep, f"{far}/").replace(near, far) for text in (told, hint)
        )
    return type(error)(told, hint)


def _opened(path: Path) -> tuple[Any, str, str]:
    """Returns the file system of a remote path, the path's name there, and the kind of storage."""
    remote: Any = path
    return remote.fs, str(remote.path), str(remote.protocol)


def _like(path: Path, names: Iterable[str]) -> Iterator[Path]:
    """Yields the paths of files on the storage of another."""
    remote: Any = path
    for name in names:
        yield type(remote)(name, protocol=remote.protocol, **remote.storage_options)


@contextmanager
def _reaching(
    path: Path, kind: type[ToolkitError] = DataError, failure: str = "Cannot reach"
) -> Iterator[None]:
    """Turns the errors of a storage, of which each kind has its own, into one for users."""
    try:
        yield
    except (ToolkitError, FileNotFoundError) as error:
        if isinstance(error, ToolkitError) or kind is DataError:
            raise
        raise kind(f"{failure} {path}: it does not exist.", "Check the path") from error
    except Exception as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise kind(
            f"{failure} {path}: {reason.removesuffix(': ')}.",
            "Check the address, the connection and your access.",
        ) from error
