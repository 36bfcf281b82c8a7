"""Fetches a pinned archive from a package index, where this Python has no pip.

Indexes are those that pip or uv are set up to ask; their pages are HTML (PEP 503) or JSON
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
    from toolkit.component import PackageMember

_FIRST = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
_MORE = ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
_CHUNK = 2**18


def download(
    source: PackageMember, folder: Path, arrived: Callable[[int], None], seconds: float
) -> Path:
    """Fetches an archive into a folder and checks it.

    Args:
        source: Which archive.
        folder: Where it goes.
        arrived: Called with the number of bytes that have come.
        seconds: How long an index may be silent.

    Raises:
        Unavailable: No index has it, or none can be reached.
    """
    name, _, version = source.package.partition("==")
    lacking: list[str] = []
    silent: list[str] = []
    asked = indexes()
    if not asked:
        raise Unavailable(
            "this Python has no pip, and nothing names a package index: PIP_INDEX_URL would, and "
            "python -m ensurepip brings pip"
        )
    for index in asked:
        try:
            for url in _archives(index, name, version, source.sha256, seconds):
                path = folder / Path(unquote(urlsplit(url).path)).name
                _save(url, path, arrived, seconds)
                if cache.matches(cache.digest(path), source.sha256):
                    return path
                path.unlink()
            lacking.append(_shown(index))
        except Unavailable as error:
            (silent if error.network else lacking).append(str(error))
    if silent and not lacking:
        raise Unavailable(f"the package registry is out of reach: {silent[0]}", network=True)
    raise Unavailable(f"not to be had without pip from {'; '.join(lacking + silent)}")


def indexes() -> list[str]:
    """Addresses of the indexes to ask, as the environment and pip's files name them."""
    files = _pip_files()
    first = [os.environ[name] for name in _FIRST if os.environ.get(name)] + files["index-url"]
    more = " ".join(os.environ.get(name, "") for name in _MORE).split() + files["extra-index-url"]
    named = [*first[:1], *more]
    # uv allows a name before an address: internal=https://…
    return list(dict.fromkeys(re.sub(r"^[\w-]+=(?=\w+:)", "", each).rstrip("/") for each in named))


def _pip_files() -> dict[str, list[str]]:
    """What pip's configuration files say, the one that counts most first."""
    own, base = os.environ.get("PIP_CONFIG_FILE"), os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    ordinary = [Path(sys.prefix, "pip.conf"), user_path(base) / "pip/pip.conf",
                user_path("~/.pip/pip.conf"), Path("/etc/pip.conf")]  # fmt: skip
    paths = ([] if own == os.devnull else ordinary) + ([Path(own)] if own else [])
    found: dict[str, list[str]] = {"index-url": [], "extra-index-url": []}
    for path in paths:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        for option in found:
            found[option] += parser.get("global", option, fallback="").split()
    return found


def _archives(index: str, name: str, version: str, sha256: str, seconds: float) -> Iterator[str]:
    """Addresses at which an index may have the archive: those with its digest, if it names any."""
    page = f"{index}/{re.sub(r'[-_.]+', '-', name).lower()}/"
    with _opened(page, seconds) as stream:
        text = stream.read().decode(errors="replace")
    if text.lstrip().startswith("{"):
        links = [
            (urljoin(page, each["url"]), each.get("hashes", {}).get("sha256", ""))
            for each in json.loads(text)["files"]
        ]
    else:
        parsed = _Links()
        parsed.feed(text)
        parts = [urldefrag(urljoin(page, each)) for each in parsed.found]
        links = [(url, mark.removeprefix("sha256=") if "sha256=" in mark else "")
                 for url, mark in parts]  # fmt: skip
    yield from (url for url, digest in links if digest and cache.matches(digest, sha256))
    yield from (url for url, digest in links if not digest and f"-{version}" in url)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for key, value in attrs if (tag, key) == ("a", "href") and value]


def _save(url: str, path: Path, arrived: Callable[[int], None], seconds: float) -> None:
    have = 0
    with _opened(url, seconds) as stream, path.open("wb") as out:
        while chunk := stream.read(_CHUNK):
            have += out.write(chunk)
            arrived(have)


@contextmanager
def _opened(url: str, seconds: float) -> Iterator[IO[bytes]]:
    """What is at an address, of the web or of this machine; its user and password are sent."""
    parts = urlsplit(url)
    if parts.scheme == "file" and url.endswith("/"):
        url += "index.html"
    headers = {"User-Agent": "restoration-toolkit", "Accept": _ACCEPT}
    if parts.username:
        word = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(word.encode()).decode()}"
        place = parts.netloc.rpartition("@")[2]
        url = urlunsplit(parts._replace(netloc=place))
    try:
        with urlopen(Request(url, headers=headers), timeout=seconds) as stream:  # noqa: S310
            yield stream
    except HTTPError as error:
        raise Unavailable(f"{_shown(url)} answers {error.code} {error.reason}") from None
    except (OSError, HTTPException, ValueError, KeyError) as error:
        cause = error.reason if isinstance(error, URLError) else error
        told = getattr(cause, "strerror", None) or str(cause)
        raise Unavailable(f"{_shown(url)}: {told}", network=parts.scheme != "file") from error


def _shown(url: str) -> str:
    """An address without the password in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
