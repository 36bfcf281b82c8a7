"""Goes through the sources of files that the cache lacks, and tells all that is missing at once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import WeightsError
from toolkit.weights import cache
from toolkit.weights.cache import State
from toolkit.weights.session import Progress, Session
from toolkit.weights.wording import by_hand, named

if TYPE_CHECKING:
    from toolkit.component import WeightFile

_LOG = logging.getLogger(__name__)


def fetch(file: WeightFile, siblings: Iterable[WeightFile] = ()) -> Path:
    """Gives the path of a weight file, fetching it first where the cache lacks it.

    Args:
        file: Which file.
        siblings: Files that are kept too, if an archive that is fetched for this one has them.

    Raises:
        WeightsError: It is not cached and cannot be fetched, or it is not what it should be.
    """
    return fetch_all((file,), siblings)[0]


def fetch_all(
    files: Iterable[WeightFile],
    siblings: Iterable[WeightFile] = (),
    progress: Progress = lambda *_: None,
) -> list[Path]:
    """Gives the paths of weight files, in order, fetching those that the cache lacks.

    An archive that holds several of them is fetched once. Files that cannot be fetched do not keep
    the others from it.

    Raises:
        WeightsError: Some files are missing: which, why, and how to bring them by hand.
    """
    files = list(files)
    try:
        lacking = [each for each in dict.fromkeys(files) if cache.check(each) is not State.cached]
        if lacking:
            _fetch_lacking(lacking, siblings, progress)
    except OSError as error:
        raise cache.unusable(error) from error
    return [cache.path_of(file) for file in files]


def _fetch_lacking(
    files: list[WeightFile], siblings: Iterable[WeightFile], progress: Progress
) -> None:
    failures: dict[WeightFile, list[str]] = {}
    with cache.lock():
        # Another process may have fetched some meanwhile.
        states = {file: cache.check(file) for file in files}
        reasons: dict[WeightFile, list[str]] = {
            file: [_set_aside(file)] if state is State.damaged else []
            for file, state in states.items()
            if state is not State.cached
        }
        also = [file for file in siblings if not cache.path_of(file).exists()]
        session = Session([*reasons, *also], progress)
        for file, told in reasons.items():
            told.extend(session.fetch(file))
            if cache.path_of(file).exists():
                cache.aside(file).unlink(missing_ok=True)
            else:
                failures[file] = told
    if failures:
        raise WeightsError(_message(failures), by_hand(failures))


def _set_aside(file: WeightFile) -> str:
    """Moves a damaged copy out of the way; returns what is to be told of it."""
    cache.path_of(file).replace(cache.aside(file))
    told = f"its copy in the cache was damaged, and is now {cache.aside(file)}"
    _LOG.warning("%s: %s", file.name, told)
    return told


def _message(failures: Mapping[WeightFile, list[str]]) -> str:
    lines = []
    for file, reasons in failures.items():
        lines.append(f"{named(file)} is not cached and could not be fetched:")
        lines += [f"  {reason}" for reason in reasons or ["it has no source"]]
    return "\n".join(lines)
