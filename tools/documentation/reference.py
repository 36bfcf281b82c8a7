"""The pages of the reference that the code makes."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from functools import partial

from documentation.commands import commands_page
from documentation.components import SLOTS, components_page
from documentation.options import model_fields
from documentation.staging import ROOT
from toolkit import plugin

_FIELDS = re.compile(r"^<!-- (fields|settings): ([\w.]+)((?: \w+)*) -->$", re.MULTILINE)
_API = """# Plugin API

`toolkit.plugin` is all that a plugin may import from the toolkit. `toolkit.testing` has the checks
for its tests: [how to use them](../plugins/index.md). Shapes are written with these letters:
`b` batch, `h w` height and width in pixels, `f` image pixels per latent pixel, `c` latent channels,
`d` text width.
"""


def generated_pages() -> dict[str, Callable[[], str]]:
    """Returns the pages that are made from nothing but code, by their paths in the site."""
    pages: dict[str, Callable[[], str]] = {
        f"reference/components/{kind}.md": partial(components_page, kind) for kind in SLOTS
    }
    return pages | {"reference/commands.md": commands_page, "reference/plugin-api.md": api_page}


def reference() -> dict[str, str]:
    """Makes all pages with texts from the code, by their paths in the site."""
    pages = {place: make() for place, make in generated_pages().items()}
    for path in sorted((ROOT / "docs").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if _FIELDS.search(text):
            pages[path.relative_to(ROOT / "docs").as_posix()] = _with_fields(text)
    return pages


def api_page() -> str:
    """Returns a page on everything that `toolkit.plugin` exports, by what it is."""
    groups: dict[str, list[str]] = {title: [] for title in _GROUPS}
    for name in plugin.__all__:
        groups[_group(name)].append(name)
    parts = [_API]
    for title, names in groups.items():
        parts.append(f"## {title}\n")
        parts += [_member(name) for name in names]
    return "\n".join(parts)


_GROUPS = ("Registering", "Interfaces", "Abilities", "Errors", "Weights", "Other")


def _group(name: str) -> str:
    value = getattr(plugin, name)
    module = getattr(value, "__module__", "")
    places = {
        "toolkit.component": "Registering",
        "toolkit.hookspecs": "Registering",
        "toolkit.interfaces": "Interfaces",
        "toolkit.prediction": "Interfaces",
        "toolkit.abilities": "Abilities",
        "toolkit.errors": "Errors",
    }
    if inspect.isclass(value) or inspect.isfunction(value):
        found = places.get(module, "Weights" if module.startswith("toolkit.weights") else "Other")
        return "Other" if name == "did_you_mean" else found
    return "Registering" if name in ("PLUGIN_API", "hookimpl", "Kind") else "Weights"


def _member(name: str) -> str:
    value = getattr(plugin, name)
    module = getattr(value, "__module__", "")
    if module.startswith("toolkit.") and (inspect.isclass(value) or inspect.isfunction(value)):
        return f"::: {module}.{name}\n"
    return f"### `{name}`\n\n{_OTHERS[name]}\n"


_OTHERS = {
    "PLUGIN_API": f"The version of this API, {plugin.PLUGIN_API}; a plugin's module says "
    "`PLUGIN_API = 1`.",
    "Kind": "One of " + ", ".join(f"`{kind}`" for kind in SLOTS) + ".",
    "hookimpl": "Marks a plugin's function `toolkit_components`, which yields its `Component`s.",
    "LDM_PREFIXES": "Prefixes of tensor names in checkpoints of latent diffusion models in their "
    "original layout.",
}
"""What is no class and no function, and so has no docstring of its own."""


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
