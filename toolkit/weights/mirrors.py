"""Downloads files from the web, resuming interrupted downloads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from toolkit.weights import cache, hub_files
from toolkit.weights.network import Unavailable

if TYPE_CHECKING:
    from toolkit.weights.files import WeightFile

_ATTEMPTS = 5
_CHUNK = 2**18
_SILENCE = 30.0
_HERE = ("localhost", "127.0.0.1", "::1")


class _CutError(Unavailable):
    """The connection ended early; the partial file is kept."""


def address(url: str) -> str:
    """Returns the address to request: of a file on the model hub, that at `HF_ENDPOINT` if set.

    Raises:
        Unavailable: It is not an HTTPS address.
    """
    if source := hub_files.on_hub(url):
        url = source.address
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE):
        return url
    raise Unavailable(f"{url} is not an HTTPS address")


def download(file: WeightFile, url: str, arrived: Callable[[int], None]) -> Path:
    """Fetches a file into the cache.

    Args:
        file: The expected file.
        url: From `address`.
        arrived: Called with the total number of bytes received.

    Raises:
        Unavailable: It cannot be fetched, or its content differs.
        OSError: The cache cannot be written.
    """
    target = cache.path_of(file)
    part = target.with_name(f"{file.name}.part")
    for attempt in range(1, _ATTEMPTS + 1):
        begun = part.stat().st_size if part.exists() else 0
        try:
            sha256 = _complete(part, file, url, arrived)
        except _CutError:
            if attempt == _ATTEMPTS or part.stat().st_size <= begun:
                raise
            continue
        finally:
            if part.stat().st_size == 0:
                part.unlink()
        if cache.matches(sha256, file.sha256):
            return part.replace(target)
        part.unlink()
        if not begun:  # else the old partial file may be at fault: start from the beginning
            break
    raise Unavailable(f"{url} has other content: SHA-256 {sha256}, not {file.sha256}")


def _complete(part: Path, file: WeightFile, url: str, arrived: Callable[[int], None]) -> str:
    """Fetches the rest of a partial file; returns the SHA-256 of the whole."""
    with part.open("a+b") as stream:
        have, sha256 = _so_far(stream)
        if have < file.size:
            with _opened(url, have) as response:
                if have and not _resumes(response, have):
                    stream.truncate(0)
                    have, sha256 = 0, hashlib.sha256()
                _check_length(response, have, file, url)
                for chunk in _chunks(response, url):
                    have += len(chunk)
                    sha256.update(chunk)
                    stream.write(chunk)
                    arrived(have)
                    if have > file.size:
                        break
            stream.flush()
            os.fsync(stream.fileno())
            if have < file.size:
                raise _CutError(f"{url} broke off after {have} of {file.size} bytes")
    return str(sha256.hexdigest())


def _so_far(stream: IO[bytes]) -> tuple[int, Any]:
    stream.seek(0)
    sha256 = hashlib.file_digest(stream, "sha256")  # type: ignore[arg-type]
    return stream.tell(), sha256


def _resumes(response: HTTPResponse, have: int) -> bool:
    """Whether a response continues at the requested offset instead of from the beginning."""
    content_range = response.headers.get("Content-Range", "")
    return response.status == 206 and content_range.startswith(f"bytes {have}-")


def _check_length(response: HTTPResponse, have: int, file: WeightFile, url: str) -> None:
    if response.length is not None and have + response.length != file.size:
        raise Unavailable(f"{url} has {have + response.length} bytes, not {file.size}")


def _opened(url: str, start: int) -> HTTPResponse:
    headers = {"User-Agent": "restoration-toolkit"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        opener = build_opener(_Redirects)
        response: HTTPResponse = opener.open(Request(url, headers=headers), timeout=_SILENCE)  # noqa: S310
    except HTTPError as error:
        with error:
            raise Unavailable(f"{url} answers {error.code} {error.reason}") from None
    except (OSError, HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, URLError) else error
        host = urlsplit(url).netloc
        raise Unavailable(f"{host} cannot be reached: {cause}", network=True) from error
    return response


def _chunks(response: HTTPResponse, url: str) -> Iterator[bytes]:
    try:
        while chunk := response.read1(_CHUNK):
            yield chunk
    except (OSError, HTTPException) as error:
        raise _CutError(f"{url} broke off: {error}") from error


class _Redirects(HTTPRedirectHandler):
    """Follows redirects to HTTPS only."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
