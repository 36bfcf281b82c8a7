"""Tests which hosts can be reached, within seconds."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

SECONDS = 4.0
"""Timeout of a connection, and time without data after which a warning is logged."""

_NOWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses reserved for documentation; any default route covers them."""


class Unavailable(Exception):  # noqa: N818 - internal: reasons are collected over all sources
    """A source could not provide a file.

    Attributes:
        network: Whether the network is at fault, so that further files of the source would fail,
            too.
    """

    def __init__(self, reason: str, *, network: bool = False) -> None:
        super().__init__(reason)
        self.network = network


def has_route() -> bool:
    """Whether there is a default route or a proxy; sends nothing."""
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
    """Test connections to several hosts in parallel.

    Args:
        urls: Web addresses; their hosts, or the proxies for these, are connected to.
    """

    def __init__(self, urls: Iterable[str]) -> None:
        self._end = time.monotonic() + SECONDS
        self._failures: dict[tuple[str, int], str] = {}
        self._threads: dict[tuple[str, int], threading.Thread] = {}
        for endpoint in {_endpoint(url) for url in urls}:
            # A hanging resolver cannot be stopped; as a daemon it does not delay the exit.
            thread = threading.Thread(target=self._connect, args=endpoint, daemon=True)
            self._threads[endpoint] = thread
            thread.start()

    def failure(self, url: str) -> str:
        """Returns why the host of an address cannot be connected to; empty if it can."""
        endpoint = _endpoint(url)
        self._threads[endpoint].join(max(0.0, self._end - time.monotonic()))
        return self._failures.get(endpoint, f"no answer within {SECONDS:.0f} s")

    def give_up(self, url: str, reason: str) -> None:
        """Marks the host of an address as unreachable."""
        self._failures[_endpoint(url)] = reason

    def _connect(self, host: str, port: int) -> None:
        try:
            socket.create_connection((host, port), timeout=SECONDS).close()
        except (OSError, UnicodeError) as error:
            self._failures[host, port] = getattr(error, "strerror", None) or str(error)
        else:
            self._failures[host, port] = ""


def _endpoint(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.netloc):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80)


@contextmanager
def patience(say: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Calls `say` after `SECONDS` unless the yielded function is called or the block ends."""
    timer = threading.Timer(SECONDS, say)
    timer.daemon = True
    timer.start()
    try:
        yield timer.cancel
    finally:
        timer.cancel()
