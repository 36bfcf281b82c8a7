"""Takes weight files that the user supplies: bare files, folders, or archives."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import WeightsError
from toolkit.weights import archives, cache, consent
from toolkit.weights.network import Unavailable

if TYPE_CHECKING:
    from toolkit.weights.files import WeightFile

_LOG = logging.getLogger(__name__)
_ARCHIVES = (".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def supply(path: Path, files: Iterable[WeightFile]) -> list[WeightFile]:
    """Copies weight files from a file, a folder or an archive into the cache.

    Files are recognised by size and SHA-256, not by name. One without a pinned SHA-256 is
    recognised by the name that its authors give it, or as the only one that is wanted from a file.

    Returns:
        The files that were found.

    Raises:
        WeightsError: `path` does not exist, the cache cannot be written, or a licence must be
            accepted first.
    """
    if not path.exists():
        raise WeightsError(f"There is no {path}.", "--from takes a file or a folder.")
    wanted, found = list(dict.fromkeys(files)), []
    consent.require(wanted)
    try:
        with cache.lock():
            for entry in _entries(path):
                for file in list(wanted):
                    alone = path.is_file() and len(wanted) == 1
                    if _may_be(file, entry, alone=alone) and _keep(file, entry):
                        wanted.remove(file)
                        found.append(file)
                        break
                if not wanted:
                    break
    except OSError as error:
        raise cache.unusable(error) from error
    return found


def _may_be(file: WeightFile, entry: archives.Entry, *, alone: bool) -> bool:
    if file.sha256:
        return file.size == entry.size
    return file.is_at(Path(entry.name)) or alone


def _keep(file: WeightFile, entry: archives.Entry) -> bool:
    try:
        cache.keep(file, entry.chunks(), entry.name, supplied=True)
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
