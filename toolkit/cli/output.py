"""Output: results to stdout, progress and notices to stderr."""

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
    """Formats of results."""

    table = "table"
    json = "json"


_PLAIN = {
    "→": "->", "×": "x", "…": "...", "–": "-", "−": "-", "↑": "(higher)", "↓": "(lower)",
    "✓": "ok", "✗": "FAILED",
}  # fmt: skip
"""ASCII replacements, for terminals with other encodings."""


def never_fail_to_print() -> None:
    """Makes stdout and stderr accept any text, whatever their encoding.

    Characters that cannot be encoded, and undecodable bytes in file names, are replaced or escaped.
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
    """Redirects what plugins print in its block to stderr, away from results."""
    return redirect_stdout(sys.stderr)


def show_json(document: Any) -> None:
    """Prints a JSON document to stdout."""
    plain = not (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=plain) + "\n")


def show_error(message: str, hint: str) -> None:
    """Prints an error and its hint as a panel to stderr."""
    from rich.console import Console, Group
    from rich.panel import Panel
    from rich.text import Text

    parts = [Text(message)]
    if hint:
        parts.append(Text(hint, style="dim"))
    panel = Panel(Group(*parts), title="Error", title_align="left", border_style="red")
    Console(stderr=True).print(panel)


def note(message: str) -> None:
    """Prints a line to stderr."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def show_warning(message: Warning | str, *_where: Any, **_more: Any) -> None:
    """Prints a warning to stderr, without file name and line number."""
    note(f"Notice: {message}")


def note_all(title: str, items: Iterable[tuple[str, str]], limit: int = 10) -> None:
    """Prints a title and the first few named reasons to stderr."""
    listed = list(items)
    if listed:
        note(title)
        for name, reason in listed[:limit]:
            note(f"  {name}: {reason}")
        if len(listed) > limit:
            note(f"  … and {len(listed) - limit} more")


def load_registry() -> Registry:
    """Returns the installed registry; prints which plugins were set aside to stderr."""
    from toolkit.discovery import installed

    registry = installed()
    for notice in registry.notices:
        note(f"Notice: {notice}")
    return registry
