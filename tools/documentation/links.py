"""Finds and rewrites the links of Markdown pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_FENCE = re.compile(r"^ *(`{3,}|~{3,})")
_LINK = re.compile(r"(\]\(|\bsrc=\"|\bhref=\")([^)\s\"]+)")
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$")


def prose(text: str) -> Iterator[tuple[str, bool]]:
    """Yields each line of a page, and whether it is prose rather than part of a code block."""
    fence = ""
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        if fence:
            yield line, False
            fence = "" if found and found[1].startswith(fence) else fence
        else:
            fence = found[1] if found else ""
            yield line, not fence


def rewrite(text: str, change: Callable[[str], str]) -> str:
    """Replaces the target of each link, image and `src`, except in code."""
    return "".join(_rewritten(line, change) if is_prose else line for line, is_prose in prose(text))


def targets(text: str) -> list[str]:
    """Returns the targets of all links of a page, in order.

    Example:
        >>> targets("[a](b.md#c), `[not](code.md)` ![d](e.png)")
        ['b.md#c', 'e.png']
    """
    found: list[str] = []
    rewrite(text, lambda target: found.append(target) or target)  # type: ignore[func-returns-value]
    return found


def anchors(text: str) -> set[str]:
    """Returns the anchors of a page's headings.

    Example:
        >>> sorted(anchors("# The page of `toolkit ui`, twice"))
        ['the-page-of-toolkit-ui-twice']
    """
    found = (_HEADING.match(line) for line, is_prose in prose(text) if is_prose)
    return {_slug(heading[1]) for heading in found if heading}


def is_external(target: str) -> bool:
    """Whether a link leads elsewhere, to a web page or a mail address."""
    return bool(re.match(r"[a-z][a-z0-9+.-]*:", target))


def _rewritten(line: str, change: Callable[[str], str]) -> str:
    """Changes the links of a line, outside of its code spans."""
    code = [span.span() for span in _CODE.finditer(line)]

    def replaced(link: re.Match[str]) -> str:
        inside = any(start <= link.start(2) < end for start, end in code)
        return link[0] if inside else link[1] + change(link[2])

    return _LINK.sub(replaced, line)


def _slug(heading: str) -> str:
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    words = re.sub(r"[^\w\s-]", "", plain).strip().lower()
    return re.sub(r"[\s-]+", "-", words)
