"""Copies shards before they are needed, on a thread of its own."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from typing import IO, Protocol

_LOG = logging.getLogger(__name__)


class _Copying(Protocol):
    def open(self, url: str) -> IO[bytes]: ...

    def is_copied(self, url: str) -> bool: ...


class Ahead:
    """Makes copies that others find later. What fails is tried again when it is needed.

    Args:
        format_: Makes the copies.
    """

    def __init__(self, format_: _Copying) -> None:
        self._format = format_
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._last = -1
        self._thread: threading.Thread | None = None

    def ask(self, block: int, following: Callable[[], Sequence[str]]) -> None:
        """Begins to copy the shards that follow a block, when the block is first met."""
        if block == self._last:
            return
        self._last = block
        urls = [url for url in following() if self._format.is_copied(url)]
        if not urls:
            return
        # Several processes ask for the same: each begins elsewhere.
        start = os.getpid() % len(urls)
        for url in urls[start:] + urls[:start]:
            self._waiting.put(url)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True, name="shards ahead")
            self._thread.start()

    def _work(self) -> None:
        while True:
            url = self._waiting.get()
            try:
                self._format.open(url).close()
            except Exception as error:  # noqa: BLE001 - the reader will meet it, too, and tell
                _LOG.debug("%s was not copied ahead: %s", url, error)
