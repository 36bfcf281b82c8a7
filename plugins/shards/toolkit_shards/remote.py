"""Reads files of any kind of storage through fsspec, patiently."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from toolkit.plugin import DataError, ImageError, ToolkitError

_LOG = logging.getLogger(__name__)
T = TypeVar("T")

WAITS = (1.0, 4.0, 10.0)
"""Seconds before each further try."""
_SILENCE = 30.0
"""Seconds without a byte after which a connection is given up."""
_FINAL = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
_NO_SPACE = {errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "hf": "hf"}


def is_url(text: str) -> bool:
    """Whether a text is a URL and no path."""
    return "://" in text


def read(url: str) -> bytes:
    """Returns the content of a file.

    Raises:
        ImageError: It cannot be read.
        DataError: There is no way to this kind of storage.
    """

    def work() -> bytes:
        if not is_url(url):
            return Path(url).read_bytes()
        system, path = _system(url)
        return bytes(system.cat_file(path))

    return patiently(url, work)


def download(url: str, path: Path) -> None:
    """Writes the content of a remote file to `path`; errors are those of `read`."""

    def work() -> None:
        system, source = _system(url)
        system.get_file(source, str(path))

    patiently(url, work)


def open_file(url: str) -> Any:
    """Opens a file for reading in any order, without patience."""
    if not is_url(url):
        return Path(url).open("rb")
    system, path = _system(url)
    return system.open(path, "rb")


def glob(pattern: str) -> list[str]:
    """Returns the files that match a pattern, sorted; errors are those of `read`."""

    def work() -> list[str]:
        system, path = _system(pattern)
        found = [str(each) for each in system.glob(path)]
        return sorted(found if not is_url(pattern) else map(system.unstrip_protocol, found))

    return patiently(pattern, work)


def find(folder: str) -> list[str]:
    """Returns all files below a folder, sorted; errors are those of `read`."""

    def work() -> list[str]:
        system, path = _system(folder)
        found = [str(each) for each in system.find(path)]
        return sorted(found if not is_url(folder) else map(system.unstrip_protocol, found))

    return patiently(folder, work)


def patiently(url: str, work: Callable[[], T]) -> T:
    """Returns what `work` returns; tries again after errors that may pass.

    Raises:
        ImageError: It failed every time, or there is no such file.
        DataError: The disk is full.
    """
    for wait in (*WAITS, None):
        try:
            return work()
        except ToolkitError:
            raise
        except Exception as error:  # every kind of storage has its own
            error.__traceback__ = None  # fsspec's refers to itself, and to every open file
            if isinstance(error, OSError) and error.errno in _NO_SPACE:
                raise DataError(
                    f"There is no space for a copy of {url}: {error.strerror}.",
                    "Take less, --set data.cache=5, or another folder: TOOLKIT_HOME=/a/folder",
                ) from error
            if wait is None or isinstance(error, _FINAL):
                raise ImageError(f"{url} cannot be read: {_reason(error)}", _hint(url)) from error
            _LOG.debug("%s: %s; trying again in %g s", url, _reason(error), wait)
            time.sleep(wait)
    raise AssertionError


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _hint(url: str) -> str:
    return "Check the connection and your access" if is_url(url) else "Check the path"


def _system(url: str) -> tuple[Any, str]:
    """Returns fsspec's file system, anew in each process as connections survive no fork."""
    from fsspec.core import url_to_fs

    protocol = url.partition("://")[0] if is_url(url) else "file"
    try:
        system, path = url_to_fs(url, **_options(protocol))
    except ImportError as error:
        extra = _EXTRAS.get(protocol, "")
        package = f"'restoration-toolkit-shards[{extra}]'" if extra else "what it names"
        raise DataError(f"{url} cannot be opened: {error}.", f"pip install {package}") from error
    except ValueError as error:
        raise DataError(
            f"{url} cannot be opened: {error}.", "Use s3://, gs://, hf://, https:// or a path."
        ) from error
    return system, path


def _options(protocol: str) -> dict[str, Any]:
    """Settings of HTTP, which would otherwise end every download after five minutes."""
    if protocol not in {"http", "https"}:
        return {}
    import aiohttp
    from fsspec.config import conf

    patience = aiohttp.ClientTimeout(total=None, sock_connect=_SILENCE, sock_read=_SILENCE)
    own = conf.get(protocol, {}).get("client_kwargs", {})
    return {"client_kwargs": {"timeout": patience, "trust_env": True, **own}}
