"""Tables that pages quote are those of the committed results."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERDICT = re.compile(r"^- .*: (?:reproduced|contradicted|undecided|not measured) .*", re.MULTILINE)
QUOTE = re.compile(r"<!-- from (\S+) -->\n(.*?)\n<!-- end -->", re.DOTALL)
PAGES = [ROOT / "README.md", ROOT / "docs/paper/index.md"]


def quotes(page):
    return [(ROOT / name, text) for name, text in QUOTE.findall(page.read_text(encoding="utf-8"))]


def result(path):
    """The figures and the verdicts of a result in Markdown."""
    text = path.read_text(encoding="utf-8")
    figures = re.search(r"^\|.*?\n\n", text, re.DOTALL | re.MULTILINE)[0]
    verdicts = VERDICT.findall(text)
    assert verdicts
    return "\n".join([figures.strip(), *verdicts])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_quoted_tables_are_those_of_the_results(page):
    assert quotes(page)
    for path, text in quotes(page):
        assert re.sub(r"\n\n+", "\n", text.strip()) == result(path), f"{page.name} is out of date"
