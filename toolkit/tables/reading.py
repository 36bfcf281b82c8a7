"""Reading of a table's file, choice of its rows, and the line numbers of its faults."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from toolkit.errors import UsageError
from toolkit.paths import user_path
from toolkit.tables.spec import Row, Table
from toolkit.validation import validate

PAPER_TABLES = Path(__file__).parent / "paper"
"""Folder of the paper's tables."""
_HEADER = re.compile(r"\s*(\[\[?)([^\[\]]+)\]")
_KEY = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([\w-]+))\s*[.=]""")

Place = tuple[str | int, ...]
"""Keys and indices, from the top."""


def table_path(name: str) -> Path:
    """Finds the file of a table: a user's own, or by its number one of the paper's.

    Raises:
        UsageError: There is no such table.
    """
    try:
        path = user_path(name)
        if path.is_file():
            return path
    except (OSError, RuntimeError):  # a name too long, a home of nobody
        pass
    known = _papers()
    if name in known:
        return known[name]
    raise UsageError(
        f"There is no table {name!r}.",
        f"Tables: {', '.join(known) or 'none'}. Or name a file of your own: --table my.toml",
    )


def names_of_tables() -> list[str]:
    """Returns the names of the tables that ship: their numbers in the paper, then others."""
    return list(_papers())


def _papers() -> dict[str, Path]:
    """Returns the files of the tables that ship, by name."""
    return {path.stem.removeprefix("table"): path for path in sorted(PAPER_TABLES.glob("*.toml"),
            key=lambda path: (not path.stem.startswith("table"), path.stem))}  # fmt: skip


def read_table(name: str) -> Table:
    """Reads a table.

    Raises:
        UsageError: There is none of this name, or it is no valid TOML.
        OptionsError: It lacks something, or has too much.
    """
    path = table_path(name)
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The table {path} cannot be read: {error}.") from None
    return validate(Table, content, f"The table {path}", lambda place: line_of(text, place))


def select_rows(table: Table, labels: list[str]) -> list[Row]:
    """Selects rows by label; all, if none is named.

    Raises:
        UsageError: There is no row of a label.
    """
    known = list(dict.fromkeys(row.label for row in table.rows))
    for label in labels:
        if label not in known:
            raise UsageError(f"The table has no row {label!r}.", f"Its rows: {', '.join(known)}.")
    if not labels:
        return table.rows
    return [row for label in labels for row in table.rows if row.label == label]


def line_of(text: str, place: Sequence[str | int]) -> int | None:
    """Finds the line, from 1, of a value; else of the innermost table around it with a header.

    Example:
        >>> text = 'title = "t"' + chr(10) + "[[rows]]" + chr(10) + 'lable = "a"'
        >>> line_of(text, ("rows", 0, "lable")), line_of(text, ("rows", 0, "recipe"))
        (3, 2)
    """
    wanted, around, found = tuple(place), Place(), None
    counts: Counter[Place] = Counter()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            around = _entered(header[2], header[1] == "[[", counts)
            here = around
        elif key := _KEY.match(line):
            here = (*around, next(filter(None, key.groups()), ""))
        else:
            continue
        if here and here == wanted[: len(here)]:
            found = number
    return found


def _entered(name: str, is_array: bool, counts: Counter[Place]) -> Place:
    """The place of a header's table; the last of its kind, where it is one of several."""
    place: Place = ()
    for key in (part.strip(" \"'") for part in name.split(".")):
        place = (*place, key)
        if counts[place]:
            place = (*place, counts[place] - 1)
    if is_array:
        bare = place if isinstance(place[-1], str) else place[:-1]
        counts[bare] += 1
        place = (*bare, counts[bare] - 1)
    return place
