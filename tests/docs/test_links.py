"""Every link between pages of the repository leads to a file, and to a heading if it names one."""

import os
from pathlib import Path

import pytest

from documentation.links import anchors, is_external, rewrite, targets
from documentation.reference import generated_pages
from documentation.staging import BrokenLinkError, repository_pages, stage

ROOT = Path(__file__).parents[2]
PAGES = sorted({
    *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md"),
    *ROOT.glob("examples/*/*.md"), *ROOT.glob("plugins/*/*.md"),
    *ROOT.glob("plugins/*/toolkit_*/**/*.md"),
})  # fmt: skip


def fault(page, target):
    """What is wrong with a link; empty if nothing."""
    name, _, anchor = target.partition("#")
    path = Path(os.path.normpath(page.parent / name)) if name else page
    if path.is_relative_to(ROOT / "docs") and path.relative_to(ROOT / "docs").as_posix() in MADE:
        return ""  # its headings are checked when the site is built
    if not path.exists():
        return f"there is no {name}"
    if anchor and anchor not in anchors(path.read_text(encoding="utf-8")):
        return f"{name or page.name} has no heading #{anchor}"
    return ""


MADE = generated_pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links(page):
    found = [each for each in targets(page.read_text(encoding="utf-8")) if not is_external(each)]
    faults = {target: fault(page, target) for target in found}
    assert {target: told for target, told in faults.items() if told} == {}


def test_a_broken_link_is_found():
    page = ROOT / "docs" / "index.md"
    assert fault(page, "nothing.md")
    assert fault(page, "gallery.md#nothing")
    assert fault(page, "#nothing")
    assert not fault(page, "gallery.md#degradations")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[a](b.md) and ![c](d.png)", ["b.md", "d.png"]),
        ("`[a](b.md)` [c](d.md)", ["d.md"]),
        ("```md\n[a](b.md)\n```\n[c](d.md)", ["d.md"]),
        ('<img src="a.png" width="3">', ["a.png"]),
        ("[`code`](a.md#b)", ["a.md#b"]),
    ],
)
def test_links_are_found_outside_of_code(text, found):
    assert targets(text) == found


def test_links_are_rewritten_in_place():
    assert rewrite("[a](b) `[c](d)`\n", lambda target: f"{target}!") == "[a](b!) `[c](d)`\n"


def test_links_into_the_repository_lead_to_pages_of_the_site(tmp_path):
    link = "[a](../../plugins/losses/README.md#weights)"
    stage(tmp_path, {**dict.fromkeys(MADE, ""), "reference/made.md": link})
    assert (tmp_path / "reference/made.md").read_text() == "[a](../distributions/losses.md#weights)"
    text = (tmp_path / "distributions/photos.md").read_text()
    assert "(../files/plugins/photos/toolkit_photos/data/ATTRIBUTION.toml.md)" in text
    assert (tmp_path / "files/plugins/photos/toolkit_photos/data/ATTRIBUTION.toml.md").is_file()
    assert set(repository_pages().values()) <= {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.md")
    }


def test_a_link_to_nothing_stops_the_build(tmp_path):
    with pytest.raises(BrokenLinkError, match=r"made\.md links to gone\.md"):
        stage(tmp_path, {**dict.fromkeys(MADE, ""), "reference/made.md": "[a](gone.md)"})
