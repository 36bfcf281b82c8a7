"""The pages of the reference that the code makes."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import partial

from documentation.api import plugin_page, python_page
from documentation.commands import commands_page
from documentation.components import SLOTS, components_page
from documentation.options import model_fields
from documentation.staging import ROOT

_FIELDS = re.compile(r"^<!-- (fields|settings): ([\w.]+)((?: \w+)*) -->$", re.MULTILINE)


def generated_pages() -> dict[str, Callable[[], str]]:
    """Returns the pages that are made from nothing but code, by their paths in the site."""
    pages: dict[str, Callable[[], str]] = {
        f"reference/components/{kind}.md": partial(components_page, kind) for kind in SLOTS
    }
    return pages | {
        "reference/commands.md": commands_page,
        "reference/plugin-api.md": plugin_page,
        "reference/python.md": python_page,
    }


def reference() -> dict[str, str]:
    """Makes all pages with texts from the code, by their paths in the site."""
    pages = {place: make() for place, make in generated_pages().items()}
    for path in sorted((ROOT / "docs").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if _FIELDS.search(text):
            pages[path.relative_to(ROOT / "docs").as_posix()] = _with_fields(text)
    return pages


def _with_fields(text: str) -> str:
    """Replaces the markers of a page, such as `<!-- fields: module.Model [name …] -->`."""
    linked = {marker[2].rpartition(".")[2] for marker in _FIELDS.finditer(text)}

    def fields(marker: re.Match[str]) -> str:
        module, _, name = marker[2].rpartition(".")
        model = getattr(importlib.import_module(module), name)
        return model_fields(
            model, defaults=marker[1] == "settings", linked=linked, only=marker[3].split()
        )

    return _FIELDS.sub(fields, text)
