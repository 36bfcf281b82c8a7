"""The site builds without a warning, is complete, and loads nothing from elsewhere."""

import html.parser
import importlib.util
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from documentation.__main__ import CONFIGURATION
from documentation.staging import repository_pages

ROOT = Path(__file__).parents[2]
LOADING = {"audio", "embed", "iframe", "img", "input", "script", "source", "track", "video"}
"""Elements whose `src` is fetched."""


class Page(html.parser.HTMLParser):
    """Collects what a browser fetches to show a page."""

    def __init__(self, text):
        super().__init__()
        self.fetched = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in LOADING and given.get("src"):
            self.fetched.append(given["src"])
        if tag == "link":
            self.fetched.append(given.get("href"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if not importlib.util.find_spec("zensical"):
        pytest.skip("zensical is not installed: make install, or uv sync --group docs")
    folder = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [sys.executable, "-m", "documentation", folder],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout + done.stderr
    return folder / "site"


@pytest.mark.slow
def test_the_site_is_complete(site):
    for place in (*repository_pages().values(), "reference/commands.md"):
        assert (site / place).with_suffix(".html").is_file(), place
    assert "CUDA out of memory" in (site / "search.json").read_text(encoding="utf-8")


@pytest.mark.slow
def test_examples_of_docstrings_are_code(site):
    text = (site / "reference" / "plugin-api.html").read_text(encoding="utf-8")
    assert ">Examples:<" in text
    assert ">Example<" not in text


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 50
    for path in pages:
        fetched = Page(path.read_text(encoding="utf-8")).fetched
        assert [url for url in fetched if "//" in url] == [], path
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert "@import" not in text
        assert "url(http" not in text
        assert "url(//" not in text


def listed(nav):
    """The pages of a navigation, in order."""
    for each in nav:
        if isinstance(each, str):
            yield each
        else:
            for value in each.values():
                yield from [value] if isinstance(value, str) else listed(value)


def test_every_page_is_in_the_navigation():
    nav = list(listed(tomllib.loads(CONFIGURATION.read_text(encoding="utf-8"))["project"]["nav"]))
    assert len(nav) == len(set(nav))
    pages = {place for place in repository_pages().values() if not place.startswith("results/")}
    assert pages - set(nav) == set()
    for place in nav:
        made = place.startswith("reference/")  # some of these are made from the code
        assert place in pages or made, place
