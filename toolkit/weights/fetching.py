"""Fetches the files that the cache lacks, and reports all failures at once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import WeightsError
from toolkit.weights import cache, consent, hub_files
from toolkit.weights.cache import State
from toolkit.weights.locating import check, path_of
from toolkit.weights.session import Progress, Session
from toolkit.weights.wording import by_hand, described

if TYPE_CHECKING:
    from toolkit.weights.files import WeightFile

_LOG = logging.getLogger(__name__)


def fetch(file: WeightFile, siblings: Iterable[WeightFile] = ()) -> Path:
    """Returns the path of a weight file, fetching it if the cache lacks it.

    Args:
        file: The file.
        siblings: Further files to keep if they are in an archive that is fetched for it.

    Raises:
        WeightsError: It is not cached and cannot be fetched, or has another SHA-256.
    """
    return fetch_all((file,), siblings)[0]


def fetch_all(
    files: Iterable[WeightFile],
    siblings: Iterable[WeightFile] = (),
    progress: Progress = lambda *_: None,
) -> list[Path]:
    """Returns the paths of weight files in order, fetching those that the cache lacks.

    An archive that contains several of them is fetched once. A failure does not prevent fetching
    the other files.

    Raises:
        WeightsError: Files are missing; lists them with reasons and instructions to supply them.
    """
    files = list(files)
    try:
        consent.require(file for file in files if not cache.path_of(file).exists())
        missing = [file for file in dict.fromkeys(files) if check(file) is not State.cached]
        if missing:
            _fetch_missing(missing, siblings, progress)
    except OSError as error:
        raise cache.unusable(error) from error
    return [path_of(file) for file in files]


def _fetch_missing(
    files: list[WeightFile], siblings: Iterable[WeightFile], progress: Progress
) -> None:
    consent.require(files)
    failures: dict[WeightFile, list[str]] = {}
    with cache.lock():
        # Another process may have fetched some while this one waited for the lock.
        lacking: dict[WeightFile, list[str]] = {}
        for file in files:
            state, explanations = _without_damage(file)
            if state is not State.cached:
                (lacking if state is State.missing else failures)[file] = explanations
        also = [file for file in siblings if not path_of(file).exists()]
        session = Session([*lacking, *also], progress)
        for file, explanations in lacking.items():
            explanations.extend(session.fetch(file))
            if path_of(file).exists():
                cache.aside(file).unlink(missing_ok=True)
            else:
                failures[file] = explanations
    if failures:
        raise WeightsError(_message(failures), by_hand(failures))


def _no_source(file: WeightFile) -> str:
    return "it has no source" if file.sha256 else "nobody but its authors publishes its SHA-256"


def _without_damage(file: WeightFile) -> tuple[State, list[str]]:
    """Moves a damaged copy of ours out of the way; returns the state then, and messages."""
    state, told = check(file), []
    if state is State.damaged and cache.path_of(file).exists():
        told.append(_set_aside(file))
        state = check(file)
    if state is State.damaged:  # the hub's cache is not ours to tidy
        told += hub_files.differs(path_of(file))
    return state, told


def _set_aside(file: WeightFile) -> str:
    """Moves a damaged copy out of the way; returns a message about it."""
    cache.path_of(file).replace(cache.aside(file))
    message = f"its copy in the cache was damaged, and is now {cache.aside(file)}"
    _LOG.warning("%s: %s", file.name, message)
    return message


def _message(failures: Mapping[WeightFile, list[str]]) -> str:
    lines = []
    for file, reasons in failures.items():
        told = list(dict.fromkeys(reasons or [_no_source(file)]))
        start = f"{described(file)} is not cached and could not be fetched:"
        lines += [f"{start} {told[0]}"] if len(told) == 1 else [start, *(f"  {r}" for r in told)]
    return "\n".join(lines)
