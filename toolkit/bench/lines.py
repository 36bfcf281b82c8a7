"""Where in a TOML file a value stands: the parser does not keep it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_HEADER = re.compile(r"\s*(\[\[?)([^\[\]]+)\]")
_KEY = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([\w-]+))\s*[.=]""")

Place = tuple[str | int, ...]
"""Keys and indices, from the top."""


def line_of(text: str, place: Sequence[str | int]) -> int | None:
    """The line, from 1, of a value; else of the innermost table around it that has a header.

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
