"""Files that the user brings: the bare file, a folder of them, or the archive that holds them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import WeightsError
from toolkit.weights import archives, cache
from toolkit.weights.network import Unavailable

if TYPE_CHECKING:
    from toolkit.component import WeightFile

_LOG = logging.getLogger(__name__)
_ARCHIVES = (".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def supply(place: Path, files: Iterable[WeightFile]) -> list[WeightFile]:
    """Copies into the cache what a file, a folder or an archive holds of these files.

    What counts is size and SHA-256, not the name.

    Returns:
        The files that were found.

    Raises:
        WeightsError: There is nothing at `place`, or the cache cannot be written.
    """
    if not place.exists():
        raise WeightsError(f"There is no {place}.", "--from takes a file or a folder.")
    wanted, found = list(dict.fromkeys(files)), []
    try:
        with cache.lock():
            for entry in _entries(place):
                for file in [each for each in wanted if each.size == entry.size]:
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


def _entries(place: Path) -> Iterator[archives.Entry]:
    """Bare files first: they cost less than looking into archives."""
    paths = [path for path in sorted(place.rglob("*")) if path.is_file()]
    paths = paths if place.is_dir() else [place]
    for path in paths:
        yield archives.alone(path)
    for path in paths:
        if path == place or path.name.lower().endswith(_ARCHIVES):
            try:
                yield from archives.entries(path)
            except Unavailable as error:
                _LOG.debug("%s", error)
