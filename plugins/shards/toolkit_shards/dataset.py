"""A dataset in shards, each of which holds many photographs."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from toolkit.plugin import ImageError, Sample
from toolkit_shards import parquet, remote, tar
from toolkit_shards.ahead import Ahead
from toolkit_shards.copies import Copies
from toolkit_shards.images import photograph
from toolkit_shards.locations import common_folder
from toolkit_shards.order import Order, item_of

_LOG = logging.getLogger(__name__)
_AGAIN = 300.0
"""Seconds after which a shard that could not be read is tried again."""


class Format(Protocol):
    """Opens shards of one format as tar files."""

    def open(self, url: str) -> IO[bytes]:
        """Opens a shard, or its copy."""
        ...

    def is_copied(self, url: str) -> bool:
        """Whether a copy is made, which is better done ahead."""
        ...

    def keep(self, name: str) -> bool:
        """Whether a member is a photograph."""
        ...


class TarFiles:
    """Tar files: local ones where they are, remote ones as copies."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies

    def open(self, url: str) -> IO[bytes]:
        """Opens a shard, or its copy."""
        if self.is_copied(url):
            return self._copies.open(url, partial(remote.download, url))
        return remote.patiently(url, lambda: Path(url).open("rb"))

    def is_copied(self, url: str) -> bool:
        """Whether it is remote."""
        return remote.is_url(url)

    def keep(self, name: str) -> bool:
        """Whether a member is an image."""
        return tar.is_photograph(name)


class ParquetFiles:
    """Parquet files, which are copied as tar files.

    Args:
        copies: Where the copies are.
        column: Name of the column of images; found by its type if empty.
    """

    def __init__(self, copies: Copies, column: str) -> None:
        self._copies, self._column = copies, column

    def open(self, url: str) -> IO[bytes]:
        """Opens the copy of a file; a local one that was changed has another."""
        name = f"{url}\n{self._column}"
        if not remote.is_url(url):
            status = remote.patiently(url, lambda: Path(url).stat())
            name += f"\n{status.st_size}\n{status.st_mtime_ns}"
        return self._copies.open(name, partial(parquet.rewrite, url, self._column))

    def is_copied(self, url: str) -> bool:  # noqa: ARG002 - every one
        """True."""
        return True

    def keep(self, name: str) -> bool:  # noqa: ARG002 - every one
        """True."""
        return True


class Shards:
    """A dataset that is drawn from, without ever being listed or held in memory.

    It may be pickled, and used after a fork and by several threads.

    Args:
        name: Name of the dataset.
        urls: Its shards.
        format_: Opens them.
        group: Number of shards that are read in turn.
        visit: Samples that a shard gives before another takes its turn.
        min_side: Shorter side to which JPEGs may be reduced while decoding; 0 for full size.
    """

    def __init__(
        self,
        name: str,
        urls: Sequence[str],
        format_: Format,
        group: int,
        visit: int,
        min_side: int = 0,
    ) -> None:
        self.name, self._min_side = name, min_side
        self._urls, self._format = tuple(urls), format_
        # Names of photographs tell them apart, and shards in several folders may be named alike.
        self._folder = len(common_folder(self._urls))
        self._order = Order(len(self._urls), group, visit)
        self._opened: _Opened | None = None
        self._ends: NDArray[np.int64] | None = None
        self._faults: dict[str, str] = {}

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """Shards that this process met, and of which something is missing: (URL, reason)."""
        return tuple(self._faults.items())

    @property
    def files(self) -> dict[str, Path]:
        """The local shards, by their paths below the folder of all shards."""
        return {url[self._folder :]: Path(url) for url in self._urls if not remote.is_url(url)}

    def draw(self, seed: int, number: int, attempt: int = 0) -> Sample:
        """Returns the photograph of a sample, determined by the arguments alone.

        Args:
            seed: Of the run.
            number: Number of the sample.
            attempt: Rises where the photographs before cannot be used.

        Raises:
            ImageError: The photograph or its shard cannot be read.
        """
        place = self._order.place(seed, number, attempt)
        here = self._here()
        here.ahead.ask(self._order.block(number), partial(self._following, seed, number))
        url = self._urls[place.shard]
        with here.lock:
            shard = self._shard(here, url)
            if not len(shard):
                raise ImageError(f"{url} contains no images", "Leave it out")
            name, data = shard.read(item_of(seed, number, attempt, place, len(shard)))
        return self._sample(url, name, data)

    def __len__(self) -> int:
        """Counts all photographs, for which every shard is read once."""
        if self._ends is None:
            self._ends = np.cumsum([self._count(url) for url in self._urls])
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self) or self._ends is None:
            raise IndexError(index)
        shard = int(np.searchsorted(self._ends, index, side="right"))
        first = int(self._ends[shard - 1]) if shard else 0
        url = self._urls[shard]
        here = self._here()
        with here.lock:
            name, data = self._shard(here, url).read(index - first)
        return self._sample(url, name, data)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def _sample(self, url: str, name: str, data: bytes) -> Sample:
        image = photograph(url, name, data, self._min_side)
        return Sample(f"{url[self._folder :]}/{name}", image)

    def _following(self, seed: int, number: int) -> list[str]:
        return [self._urls[shard] for shard in self._order.following(seed, number)]

    def _count(self, url: str) -> int:
        here = self._here()
        try:
            with here.lock:
                return len(self._shard(here, url))
        except ImageError:  # in `skipped`
            return 0

    def _here(self) -> _Opened:
        """What this process has open; files and locks of a parent must not be shared."""
        if self._opened is None or self._opened.process != os.getpid():
            self._opened = _Opened(self._format)
        return self._opened

    def _shard(self, here: _Opened, url: str) -> tar.TarShard:
        """Opens a shard, or returns it if it is open; the caller holds the lock."""
        if (found := here.shards.get(url)) is not None:
            here.shards.move_to_end(url)
            return found
        if (failed := here.failed.get(url)) and time.monotonic() < failed.until:
            raise ImageError(failed.message, failed.hint)
        try:
            shard = tar.TarShard(url, self._format.open(url), self._format.keep)
        except ImageError as error:
            self._note(url, str(error).removeprefix(f"{url} "))
            here.failed[url] = _Failed(str(error), error.hint, time.monotonic() + _AGAIN)
            raise
        if shard.fault:
            self._note(url, shard.fault)
        here.shards[url] = shard
        while len(here.shards) > 2 * self._order.group:
            here.shards.popitem(last=False)[1].close()
        return shard

    def _note(self, url: str, reason: str) -> None:
        if url not in self._faults:
            _LOG.warning("%s: %s", url, reason)
        self._faults[url] = reason


class _Failed(NamedTuple):
    """Why a shard cannot be read, and until when it is not tried again."""

    message: str
    hint: str
    until: float


class _Opened:
    """What a process has open of a dataset.

    Attributes:
        process: Its number.
        lock: Held while files are read.
        shards: Open shards by URL, the last used last.
        failed: Shards that cannot be read, by URL.
        ahead: Copies the next shards.
    """

    def __init__(self, format_: Format) -> None:
        self.process = os.getpid()
        self.lock = threading.Lock()
        self.shards: OrderedDict[str, tar.TarShard] = OrderedDict()
        self.failed: dict[str, _Failed] = {}
        self.ahead = Ahead(format_)
