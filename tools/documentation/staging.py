"""Collects the pages of the site: those of `docs/`, and others of the repository that they name.

A link to a page of the repository leads to its page of the site. Any other file that is linked goes
along: source code as a page, the rest as it is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from documentation.links import is_external, rewrite

ROOT = Path(__file__).parents[2]
_FURTHER = {
    "CONTRIBUTING.md": "how/contributing.md",
    "benchmarks/README.md": "how/benchmarks.md",
    "examples/toolkit-example-plugin/README.md": "plugins/example.md",
    "plugins/backbones/toolkit_backbones/pocket/LAB_BOOK.md": "how/lab-book.md",
    "plugins/backbones/toolkit_backbones/pocket/MODEL_CARD.md": "how/pocket.md",
    "plugins/photos/LICENSES.md": "distributions/photos-licences.md",
}
_CODE = {".py": "python", ".toml": "toml", ".txt": "text"}
_CODE_PAGE = """---
search:
  exclude: true
---

# {name}

```{language}
{text}
```
"""


class BrokenLinkError(Exception):
    """A page links to a file that is not there."""


def repository_pages() -> dict[str, str]:
    """Returns the pages of the repository that are pages of the site, and their paths there."""
    found = {
        path.relative_to(ROOT).as_posix(): path.relative_to(ROOT / "docs").as_posix()
        for path in sorted((ROOT / "docs").rglob("*.md"))
    }
    for path in sorted(ROOT.glob("plugins/*/README.md")):
        found[path.relative_to(ROOT).as_posix()] = f"distributions/{path.parent.name}.md"
    for path in sorted(ROOT.glob("benchmarks/results/*.md")):
        found[path.relative_to(ROOT).as_posix()] = f"results/{path.name}"
    return found | _FURTHER


def stage(out: Path, generated: Mapping[str, str]) -> None:
    """Writes all pages and files of the site into an empty folder.

    Args:
        out: The folder, which is replaced.
        generated: Texts of the pages that the code makes, by path in the site.

    Raises:
        BrokenLinkError: A page links to a file that is not there.
    """
    shutil.rmtree(out, ignore_errors=True)
    staged = _Staged(out, repository_pages(), set(generated))
    for page, place in staged.pages.items():
        if place not in generated:
            staged.write(place, staged.linked((ROOT / page).read_text(encoding="utf-8"), page))
    for place, text in generated.items():
        staged.write(place, staged.linked(text, f"docs/{place}"))
    for path in (ROOT / "docs").rglob("*"):
        if path.is_file() and path.suffix != ".md":
            staged.copy(path, path.relative_to(ROOT / "docs").as_posix())


@dataclass
class _Staged:
    out: Path
    pages: Mapping[str, str]
    generated: set[str]
    _files: set[str] = field(default_factory=set)

    def linked(self, text: str, page: str) -> str:
        """Makes the links of a repository's page those of its page in the site."""
        here = PurePosixPath(self.pages.get(page, page.removeprefix("docs/"))).parent

        def changed(target: str) -> str:
            name, hash_, anchor = target.partition("#")
            if is_external(target) or not name:
                return target
            place = self._place(page, name)
            return os.path.relpath(place, here).replace(os.sep, "/") + hash_ + anchor

        return rewrite(text, changed)

    def _place(self, page: str, name: str) -> str:
        """Returns where in the site the file is to which a page links."""
        path = os.path.normpath(PurePosixPath(page).parent / name).replace(os.sep, "/")
        within = path.removeprefix("docs/")
        if path.startswith("docs/") and within in self.generated:
            return within
        if (ROOT / path).is_dir():
            path = f"{path}/README.md"
        if path in self.pages:
            return self.pages[path]
        source = ROOT / path
        if not source.is_file() or path.startswith("..") or source.suffix == ".md":
            raise BrokenLinkError(f"{page} links to {name}, which is no page of the site")
        if path.startswith("docs/"):
            return within
        place = f"files/{path}.md" if source.suffix in _CODE else f"files/{path}"
        if place not in self._files:
            self._files.add(place)
            self._take(source, place)
        return place

    def _take(self, source: Path, place: str) -> None:
        if source.suffix not in _CODE:
            self.copy(source, place)
            return
        text = source.read_text(encoding="utf-8").rstrip()
        language, name = _CODE[source.suffix], source.relative_to(ROOT).as_posix()
        self.write(place, _CODE_PAGE.format(name=name, language=language, text=text))

    def write(self, place: str, text: str) -> None:
        path = self.out / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def copy(self, source: Path, place: str) -> None:
        (self.out / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, self.out / place)
