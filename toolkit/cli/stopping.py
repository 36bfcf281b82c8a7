"""Stopping a training by a signal, after the step in progress."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from toolkit.cli.output import note


def terminals() -> list[int]:
    """Returns the file descriptors of stdout and stderr that are terminals."""
    found = []
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            found += [stream.fileno()] if stream.isatty() else []
    return found


def stop_printing(terminals: list[int]) -> None:
    """Redirects output to nowhere: printing on a closed terminal would fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for each in terminals:
        os.dup2(nowhere, each)


@contextmanager
def asked_to_stop(shown: list[int], *, told: bool = True) -> Iterator[list[int]]:
    """Yields a list that collects signals to stop; a second Ctrl-C raises at once.

    Args:
        shown: File descriptors of terminals.
        told: Whether to print that the command is stopping.
    """
    asked: list[int] = []

    def ask(number: int, _frame: Any) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)
        if number == getattr(signal, "SIGHUP", None):
            stop_printing(shown)
        if told:
            note("\nStopping after this step. Press Ctrl-C again to stop at once, without saving.")

    # A terminal that is closed sends SIGHUP, where there is such a signal.
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
