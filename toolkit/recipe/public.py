"""A recipe for others: without the places on one machine that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.paths import user_path
from toolkit.recipe.recipe import Recipe
from toolkit.validation import validate

_HUB_ID = re.compile(r"(\w[\w.+-]*:)?[\w-][\w.-]*/[\w-][\w.-]*")
_RESTORING = ("backbone", "gen")
"""The sections that a restorer is built from."""


def paths_for_restoring(recipe: Recipe) -> dict[str, str]:
    """Returns the paths, by option, that a recipe's restorer would be built from."""
    tables = recipe.model_dump(mode="json", exclude_none=True)
    return {
        option: text
        for section in _RESTORING
        for option, text in _texts(tables[section], section)
        if _is_path(text) or ("backbone" in option and _is_there(text))
    }


def without_paths(recipe: Recipe) -> tuple[Recipe, list[str]]:
    """Returns a recipe that names no paths, and the options that were left out."""
    tables = recipe.model_dump(mode="json", exclude_none=True)
    left_out = [
        option
        for section, table in tables.items()
        for option, text in _texts(table, section)
        if _is_path(text)
    ]
    return validate(Recipe, _kept(tables), "The recipe without paths"), left_out


def _texts(value: Any, option: str) -> Iterator[tuple[str, str]]:
    """Yields all texts in a value of a recipe, with their dotted names."""
    if isinstance(value, str):
        yield option, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _texts(each, f"{option}.{key}")
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, option)


def _kept(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _kept(each) for key, each in value.items() if not _is_path_text(each)}
    if isinstance(value, list):
        return [_kept(each) for each in value if not _is_path_text(each)]
    return value


def _is_path_text(value: Any) -> bool:
    return isinstance(value, str) and _is_path(value)


def _is_path(text: str) -> bool:
    """Whether a text may be a path or an address; OWNER/NAME is one only if it exists here."""
    if text.startswith("~") or ".." in re.split(r"[/\\:]", text):
        return True
    if not set(text) & set("/\\"):
        return False
    return not _HUB_ID.fullmatch(text) or _is_there(text)


def _is_there(text: str) -> bool:
    """Whether a text, or what follows a component's name in it, is a file or a folder here."""
    try:
        return any(user_path(each).exists() for each in {text, text.partition(":")[2]} if each)
    except (OSError, ValueError):  # too long, or with a null character
        return False
