"""Renders pages from templates; names and other texts in them are escaped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

_SHARED = Path(__file__).parent


def render(template: Path, **values: Any) -> str:
    """Renders a template, which extends `shell.html`: style, plots and script of every page.

    Args:
        template: The template's file.
        **values: What it names.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader([template.parent, _SHARED])
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(template.name).render(values)


def as_markup(plots: Iterable[str]) -> list[Any]:
    """Marks plots as HTML, which templates do not escape."""
    from markupsafe import Markup

    return [Markup(plot) for plot in plots]  # noqa: S704 - plots escape the texts in them
