"""Takes weight files that the user supplies: bare files, folders, or archives."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import WeightsError
from toolkit.weights import archives, cache
from toolkit.weights.network import Unavailable

if TYPE_CHECKING:
    from toolkit.weights.files import WeightFile

_LOG = logging.getLogger(__name__)
_ARCHIVES = (".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def supply(path: Path, files: Iterable[WeightFile]) -> list[WeightFile]:
    """Copies weight files from a file, a folder or an archive into the cache.

    Files are recognised by size and SHA-256, not by name.

    Returns:
        The files that were found.

    Raises:
        WeightsError: `path` does not exist, or the cache cannot be written.
    """
    if not path.exists():
        raise WeightsError(f"There is no {path}.", "--from takes a file or a folder.")
    wanted, found = list(dict.fromkeys(files)), []
    try:
        with cache.lock():
            for entry in _entries(path):
                for file in [file for file in wanted if file.size == entry.size]:
                    if _keep(file, entry):
                        wanted.remove(file)
                        found.append(file)
                        break
                if not wanted:
                    break
    except OSError as error:
        raise cache.unusable(error) from error
    return found


def _keep(file: WeightFile, entry: archives.Entry) -> bool:
    try:
        cache.keep(file, entry.chunks(), entry.name)
    except Unavailable as error:
        _LOG.debug("Not %s: %s", file.name, error)
        return False
    cache.aside(file).unlink(missing_ok=True)
    return True


def _entries(source: Path) -> Iterator[archives.Entry]:
    """Yields bare files, then the contents of archives, which take longer to read."""
    paths = [path for path in sorted(source.rglob("*")) if path.is_file()]
    paths = paths if source.is_dir() else [source]
    for path in paths:
        yield archives.alone(path)
    for path in paths:
        if path == source or path.name.lower().endswith(_ARCHIVES):
            try:
                yield from archives.entries(path)
            except Unavailable as error:
                _LOG.debug("%s", error)
