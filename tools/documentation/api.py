"""Pages on what may be imported; mkdocstrings makes the text of each name from its docstring."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import ModuleType

import toolkit
from documentation.components import SLOTS
from toolkit import plugin, testing

_PLUGIN = """# Plugin API

`toolkit.plugin` is all that a plugin may import from the toolkit, and `toolkit.testing` what its
tests may: [how to use them](../plugins/index.md). Shapes are written with these letters: `b` batch,
`h w` height and width in pixels, `f` image pixels per latent pixel, `c` latent channels, `d` text
width.
"""
_PYTHON = """# Python

What `import toolkit` offers: [restoring in Python](../restore/index.md#in-python).
"""
_LOADED = "toolkit.restoring.loaded.Loaded"
_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Registering": ("toolkit.component", "toolkit.hookspecs"),
    "Interfaces": ("toolkit.interfaces", "toolkit.prediction"),
    "Abilities": ("toolkit.abilities",),
    "Errors": ("toolkit.errors",),
    "Weights": ("toolkit.weights",),
    "Further": ("toolkit",),
}
"""Titles, and where the names below each are defined; the first that fits counts."""
_UNDOCUMENTED = {
    "PLUGIN_API": ("Registering", f"The newest version of this API, {plugin.PLUGIN_API}."),
    "Kind": ("Registering", f"One of {', '.join(f'`{kind}`' for kind in SLOTS)}."),
    "hookimpl": (
        "Registering",
        "Marks a plugin's function `toolkit_components`, which yields its components.",
    ),
    "LDM_PREFIXES": (
        "Weights",
        "Prefixes of tensors in checkpoints in the layout of latent diffusion models.",
    ),
}
"""Section and description of what is no class and no function, and so has no docstring."""


def plugin_page() -> str:
    """Returns the page on `toolkit.plugin` and `toolkit.testing`."""
    found: dict[str, list[str]] = {title: [] for title in _SECTIONS}
    for name in plugin.__all__:
        title, text = _described(plugin, name)
        found[title].append(text)
    found["Testing"] = [_described(testing, name)[1] for name in testing.__all__]
    return "\n".join(
        [_PLUGIN, *(f"## {title}\n\n" + "\n".join(texts) for title, texts in found.items())]
    )


def python_page() -> str:
    """Returns the page on the package itself, and on what `toolkit.load` returns."""
    names = [f"{getattr(toolkit, name).__module__}.{name}" for name in toolkit.__all__]
    return "\n".join([_PYTHON, *(f"::: {name}\n" for name in (*names, _LOADED))])


def _described(module: ModuleType, name: str) -> tuple[str, str]:
    """Returns the section of a name, and its text."""
    value = getattr(module, name)
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        title, text = _UNDOCUMENTED[name]
        return title, f"### `{name}`\n\n{text}\n"
    source = value.__module__
    title = next(
        title
        for title, sources in _SECTIONS.items()
        if any(source == each or source.startswith(f"{each}.") for each in sources)
    )
    return title, f"::: {source}.{name}\n"
