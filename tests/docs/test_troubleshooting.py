"""The messages on the page of troubleshooting are those of the code, which people search for."""

import ast
import re
from pathlib import Path

import pytest

from documentation.links import prose

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
OF_OTHERS = {
    "`toolkit: command not found`",  # the shell
    "`No space left on device`",  # the system
    "The result has seams, or looks different in places",  # no message
    "A row of a table says what it needs",
}


def headings():
    for line, is_prose in prose(PAGE.read_text(encoding="utf-8")):
        if is_prose and line.startswith("### "):
            yield line.removeprefix("### ").strip()


def code_texts():
    """All texts of the core, with an ellipsis for what is filled in."""
    for path in sorted((ROOT / "toolkit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    part.value if isinstance(part, ast.Constant) else "…" for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


TEXTS = list(code_texts())


def is_said(heading):
    """Whether a heading is a part of a text of the code, or has all of one in it.

    An ellipsis in either stands for something that is filled in.
    """
    told = heading.strip("`").replace("'…'", "…")
    part = _pattern(told)
    whole = (_pattern(text) for text in TEXTS if sum(map(str.isalpha, text)) > 15)
    return any(map(part.search, TEXTS)) or any(each.search(told) for each in whole)


def _pattern(text):
    literal = [re.escape(each.strip()) for each in text.split("…")]
    return re.compile(".*".join(literal), re.DOTALL)


@pytest.mark.parametrize("heading", [each for each in headings() if each not in OF_OTHERS])
def test_a_message_is_one_of_the_code(heading):
    assert heading.startswith("`")
    assert is_said(heading)


def test_other_headings_are_known():
    assert set(headings()) >= OF_OTHERS
    assert not is_said("`There is no … in the sky`")
