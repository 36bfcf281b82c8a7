"""Where words go: results to stdout, progress and notices to stderr."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, redirect_stdout
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.registry import Registry


class Format(StrEnum):
    """How a result is printed."""

    table = "table"
    json = "json"


_PLAIN = {"→": "->", "×": "x", "…": "...", "–": "-", "−": "-", "↑": "(higher)", "↓": "(lower)"}
"""Signs of ours in plain characters, for terminals that have no others."""


def never_fail_to_print() -> None:
    """Makes stdout and stderr take any text, whatever their encoding and the text.

    What an encoding lacks becomes a plain sign or an escape; so does a byte of a file's name that
    is no text.
    """
    codecs.register_error("toolkit", _replaced)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="toolkit")


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    refused = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign) or _escaped(sign) for sign in refused), error.end


def _escaped(sign: str) -> str:
    return sign.encode("ascii", "backslashreplace").decode("ascii")


def working() -> AbstractContextManager[object]:
    """Within its block plugins are at work: what they print goes to stderr, not among results."""
    return redirect_stdout(sys.stderr)


def show_json(document: Any) -> None:
    """Prints one JSON document, and nothing else, to stdout."""
    plain = not (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=plain) + "\n")


def show_error(message: str, hint: str) -> None:
    """One panel on stderr: what was wrong, and what to do next."""
    from rich.console import Console, Group
    from rich.panel import Panel
    from rich.text import Text

    parts = [Text(message)]
    if hint:
        parts.append(Text(hint, style="dim"))
    panel = Panel(Group(*parts), title="Error", title_align="left", border_style="red")
    Console(stderr=True).print(panel)


def note(message: str) -> None:
    """A line on stderr."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def note_all(title: str, items: Iterable[tuple[str, str]], limit: int = 10) -> None:
    """A title and named reasons on stderr, the first few of them."""
    listed = list(items)
    if listed:
        note(title)
        for name, reason in listed[:limit]:
            note(f"  {name}: {reason}")
        if len(listed) > limit:
            note(f"  … and {len(listed) - limit} more")


def load_registry() -> Registry:
    """The installed registry; says on stderr which plugins were set aside."""
    from toolkit.registry import installed

    registry = installed()
    for notice in registry.notices:
        note(f"Notice: {notice}")
    return registry
