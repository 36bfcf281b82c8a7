"""The order in which a run meets photographs: pure functions of its seed and the sample's number.

No order depends on what was read before, so that a run is resumed exactly, and several processes
share its samples without speaking to each other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.streams import stream

_CHOICE = 8
"""Number of shards, at least, that further attempts choose from."""

Permutation = NDArray[np.uint32]


class Place(NamedTuple):
    """The shard of a sample, and which of that shard's photographs it is."""

    shard: int
    turn: int
    """How many samples of this shard came before; it decides the photograph."""


@dataclass(frozen=True)
class Order:
    """Mixes shards without knowing how many photographs they have.

    Samples come from `group` shards in turn. When each has given `visit` samples, the next `group`
    shards follow. All shards are visited once per epoch, and visits of a shard go on where the last
    one ended, so that all its photographs are seen equally often.

    Attributes:
        shards: Number of shards.
        group: Number of shards that are read in turn; may exceed `shards`.
        visit: Samples that a shard gives before another takes its turn.
    """

    shards: int
    group: int
    visit: int

    def place(self, seed: int, number: int, attempt: int = 0) -> Place:
        """Returns the place of sample `number`.

        Further attempts go round the other shards of the group; of a small one, also to the next
        shards, as one alone may be unreadable.

        Example:
            >>> order = Order(shards=3, group=2, visit=100)
            >>> [order.place(0, number).shard for number in range(4)]
            [2, 1, 2, 1]
        """
        within = number % (self.group * self.visit)
        slot, lane = divmod(within, self.group)
        if attempt:
            lane = (lane + attempt) % max(self.group, _CHOICE)
        epoch, index = divmod(self.block(number) * self.group + lane, self.shards)
        return Place(self._shard(seed, epoch, index), epoch * self.visit + slot)

    def block(self, number: int) -> int:
        """Returns how many groups of shards come before that of sample `number`."""
        return number // (self.group * self.visit)

    def following(self, seed: int, number: int) -> list[int]:
        """Returns the shards of the group after that of sample `number`, which does not use them.

        Example:
            >>> Order(shards=3, group=1, visit=100).following(0, 0)
            [1]
        """
        now, then = (self._group(seed, self.block(number) + later) for later in (0, 1))
        return [shard for shard in then if shard not in now]

    def _group(self, seed: int, block: int) -> list[int]:
        first = block * self.group
        places = (divmod(first + lane, self.shards) for lane in range(self.group))
        return list(dict.fromkeys(self._shard(seed, *place) for place in places))

    def _shard(self, seed: int, epoch: int, index: int) -> int:
        return int(_of_shards(self.shards, seed, "shard order", epoch)[index])


def item_of(seed: int, number: int, attempt: int, place: Place, count: int) -> int:
    """Returns which of a shard's `count` photographs a sample gets; further attempts are random."""
    if attempt:
        return another(seed, number, attempt, count)
    turn, index = divmod(place.turn, count)
    return int(_of_items(count, seed, "shard items", place.shard, turn)[index])


def line_of(seed: int, number: int, attempt: int, count: int) -> int:
    """Returns which of a list's `count` lines a sample gets; further attempts are random."""
    if attempt:
        return another(seed, number, attempt, count)
    epoch, index = divmod(number, count)
    return int(_of_lines(count, seed, "order", epoch)[index])


def another(seed: int, number: int, attempt: int, count: int) -> int:
    """Returns a random one of `count` photographs, for a sample whose own cannot be used."""
    return int(stream(seed, "another photograph", number, attempt).integers(count))


def _permutation(count: int, seed: int, purpose: str, *counters: int) -> Permutation:
    return stream(seed, purpose, *counters).permutation(np.arange(count, dtype=np.uint32))


def _cached(size: int) -> Callable[..., Permutation]:
    return functools.lru_cache(size)(_permutation)


# Apart, as one permutation of a long list takes as much memory as thousands of a shard.
_of_lines = _cached(2)
_of_shards = _cached(4)
_of_items = _cached(64)
