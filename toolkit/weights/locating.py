"""Where a weight file lies: in the toolkit's cache, or in that of the model hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.weights import cache, hub_files
from toolkit.weights.cache import State

if TYPE_CHECKING:
    from toolkit.weights.files import WeightFile


def path_of(file: WeightFile) -> Path:
    """Returns the path of a file, in the toolkit's cache if it is in neither."""
    own = cache.path_of(file)
    return own if own.exists() else hub_files.find(file) or own


def check(file: WeightFile) -> State:
    """Returns the state of a file; reads all of it."""
    path, expected = path_of(file), cache.pin(file)
    if not (expected and path.is_file()):
        return State.missing
    return State.cached if cache.matches(cache.digest(path), expected) else State.damaged
