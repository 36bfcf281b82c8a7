"""The photographs that cannot be used, and when there are too many of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from toolkit.errors import DataError

_LEAST_BAD, _LEAST_TRIED = 10, 20
"""Numbers of photographs below which their share says little."""
_NAMED = 3


class Unusable(NamedTuple):
    """A photograph that cannot be used."""

    position: int | None
    """In the dataset; None in one that decides its own order."""
    name: str
    reason: str
    unreadable: bool
    """Whether its file is at fault; it may also be too small."""

    @property
    def key(self) -> int | str:
        """Identifies the photograph."""
        return self.reason if self.position is None else self.position


class News(NamedTuple):
    """What a process has to tell another about unusable photographs."""

    tried: int
    bad: int
    found: list[Unusable]


class SetAside:
    """Photographs that were set aside, and the share of unreadable ones among those tried.

    Every sample's attempts count, so that a photograph which cannot be read weighs as much as any
    other when it comes up again.

    Args:
        dataset: Name of the dataset.
        most: Largest share of unreadable photographs.
    """

    def __init__(self, dataset: str, most: float) -> None:
        self._dataset, self._most = dataset, most
        self._found: dict[int | str, Unusable] = {}
        self._recalled: set[int | str] = set()
        self._tried = self._bad = 0
        self._told = (0, 0, 0)

    @property
    def all(self) -> list[Unusable]:
        """All of them, in the order in which they were met."""
        return list(self._found.values())

    def passes(self, position: int) -> bool:
        """Whether a photograph must be passed over, as it is known to be unusable."""
        known = self._found.get(position)
        if known is not None and position not in self._recalled:
            self._count(known)
        return known is not None

    def add(self, photo: Unusable) -> None:
        """Sets a photograph aside.

        Raises:
            DataError: Too many of those tried are unreadable.
        """
        self._found.setdefault(photo.key, photo)
        self._count(photo)

    def add_usable(self) -> None:
        """Counts a photograph that was tried and can be used."""
        self._tried += 1

    def _count(self, photo: Unusable) -> None:
        self._tried += 1
        self._bad += photo.unreadable
        self._check()

    def remember(self) -> list[list[Any]]:
        """Returns all of them as JSON's types; see `recall`."""
        return [list(photo) for photo in self._found.values()]

    def recall(self, remembered: Sequence[Sequence[Any]]) -> None:
        """Adds what `remember` returned, which does not count as tried here."""
        for entry in remembered:
            photo = Unusable(*entry)
            if photo.key not in self._found:
                self._found[photo.key] = photo
                self._recalled.add(photo.key)

    def news(self) -> News:
        """Returns what has happened since the last call."""
        tried, bad, found = self._told
        self._told = (self._tried, self._bad, len(self._found))
        return News(self._tried - tried, self._bad - bad, self.all[found:])

    def merge(self, news: News) -> None:
        """Adds what happened in another process.

        Raises:
            DataError: Too many of those tried are unreadable.
        """
        for photo in news.found:
            self._found.setdefault(photo.key, photo)
        self._tried += news.tried
        self._bad += news.bad
        self._check()

    def _check(self) -> None:
        if self._tried < _LEAST_TRIED or self._bad <= self._most * self._tried:
            return
        found = [(each.name, each.reason) for each in self._found.values()
                 if each.unreadable and each.key not in self._recalled]  # fmt: skip
        if len(found) < _LEAST_BAD:
            return
        share = self._bad / self._tried
        more = min(1.0, math.ceil(20 * share) / 10)  # twice as many
        raise DataError(
            f"{self._bad} of the {self._tried} photographs of {self._dataset} tried so far cannot "
            f"be read ({listed(found)}).",
            f"Repair or remove them, or train on the others: --set train.max_bad_files={more:g}",
        )


def listed(photos: Sequence[tuple[str, str]]) -> str:
    """Names the first of the photographs, each with its reason."""
    first = "; ".join(f"{name}: {reason}" for name, reason in photos[:_NAMED])
    return first + (f"; and {len(photos) - _NAMED} more" if len(photos) > _NAMED else "")
