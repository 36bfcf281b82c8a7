"""What can be reached from here, found out within seconds."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

SECONDS = 4.0
"""A connection that takes longer is given up; a download that is silent for longer is told."""

_NOWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that are kept for documentation; every route to the world leads to them, too."""


class Unavailable(Exception):  # noqa: N818 - a finding about one source, which no user sees as such
    """Why one source does not give a file.

    Attributes:
        network: Whether the network is at fault, so that the next file would fare no better.
    """

    def __init__(self, reason: str, *, network: bool = False) -> None:
        super().__init__(reason)
        self.network = network


def has_route() -> bool:
    """Whether this machine has a way out: a route or a proxy. Sends nothing."""
    if any(name != "no" for name in getproxies()):
        return True
    return any(_routes(family, host) for family, host in _NOWHERE)


def _routes(family: socket.AddressFamily, host: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))
    except OSError:
        return False
    return True


class Probes:
    """Connects to all hosts at once, so that many dead ones cost no more time than one.

    Args:
        urls: Web addresses, each tried by its host, or by the proxy that leads there.
    """

    def __init__(self, urls: Iterable[str]) -> None:
        self._end = time.monotonic() + SECONDS
        self._failures: dict[tuple[str, int], str] = {}
        self._threads: dict[tuple[str, int], threading.Thread] = {}
        for place in {_place(url) for url in urls}:
            # A resolver may hang for long and cannot be stopped, but it can be left alone.
            thread = threading.Thread(target=self._connect, args=place, daemon=True)
            self._threads[place] = thread
            thread.start()

    def failure(self, url: str) -> str:
        """Why the host of an address cannot be connected to; empty if it can."""
        place = _place(url)
        self._threads[place].join(max(0.0, self._end - time.monotonic()))
        return self._failures.get(place, f"no answer within {SECONDS:.0f} s")

    def give_up(self, url: str, reason: str) -> None:
        """Takes the host of an address for dead from now on."""
        self._failures[_place(url)] = reason

    def _connect(self, host: str, port: int) -> None:
        try:
            socket.create_connection((host, port), timeout=SECONDS).close()
        except (OSError, UnicodeError) as error:
            self._failures[host, port] = getattr(error, "strerror", None) or str(error)
        else:
            self._failures[host, port] = ""


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.netloc):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80)


@contextmanager
def patience(say: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Calls `say` unless what it gives is called, or the block ends, within a few seconds."""
    timer = threading.Timer(SECONDS, say)
    timer.daemon = True
    timer.start()
    try:
        yield timer.cancel
    finally:
        timer.cancel()
