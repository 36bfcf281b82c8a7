"""Composes a recipe's tables from a file, flags and overrides."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from toolkit import defaults
from toolkit.component import NAME
from toolkit.errors import DataError, UsageError, did_you_mean
from toolkit.paths import user_path
from toolkit.recipe.earlier import upgraded
from toolkit.recipe.losses import loss_tables
from toolkit.recipe.recipe import SLOTS, Recipe
from toolkit.specs import parse_override


def read_recipe(path: Path) -> dict[str, Any]:
    """Reads the tables of a recipe file, without validation.

    Raises:
        UsageError: The file cannot be read, or is not valid TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"Cannot read the recipe {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The recipe {path} is not valid TOML: {error}.") from None


def compose(
    base: Mapping[str, Any], flags: Mapping[str, Any], overrides: Iterable[str]
) -> dict[str, Any]:
    """Applies flags (`{"disc": "nad", "train.steps": 9}`), then overrides, to a file's tables.

    Raises:
        UsageError: An override names an unknown section, or a section is not a table.
    """
    tables = {key: _table(key, value) for key, value in upgraded(copy.deepcopy(base)).items()}
    tables.pop("provenance", None)
    for key, value in flags.items():
        section, _, option = key.partition(".")
        if option:
            _section(tables, section, f"--{option}")[option] = value
        elif section == "loss":
            tables[section] = _named_losses(value, tables.get(section, {}))
        else:
            tables[section] = _table(section, value)
    for text in overrides:
        keys, value = parse_override(text)
        check_section(keys[0], f"--set {text}")
        _set(tables, keys, value, text)
    return tables


def _set(tables: dict[str, Any], keys: list[str], value: Any, text: str) -> None:
    """Sets an option at any depth."""
    table = _section(tables, keys[0], f"--set {text}")
    if keys[0] == "loss" and len(keys) > 2:
        # A loss's name may contain dots.
        keys = ["loss", ".".join(keys[1:-1]), keys[-1]]
        table.setdefault(keys[1], {"use": keys[1]})
    for key in keys[1:-1]:
        if key == "backbone":
            table[key] = _table(key, table.get(key, tables.get(key, defaults.RECIPE[key])))
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise UsageError(f"--set {text}: {key!r} is not a table, so it has no {keys[-1]!r}.")
    if keys[0] == "loss" and len(keys) == 2:
        value = loss_tables({keys[1]: value})[keys[1]]
        value = {**table.get(keys[1], {}), **value}
    table[keys[-1]] = value


def layered(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merges the tables of two recipes; `above` takes precedence.

    Options of a section, or of the same component, are merged; a different component replaces the
    old one with its options. The losses are those of `above`, merged with those of `below` that
    have the same names.

    Example:
        >>> layered({"train": {"steps": 1, "lr": 2}, "disc": "nad"}, {"train": {"lr": 3}})
        {'train': {'steps': 1, 'lr': 3}, 'disc': 'nad'}
    """
    return {**below, **{name: _over(name, below.get(name), new) for name, new in above.items()}}


def _over(section: str, old: Any, new: Any) -> Any:
    if section == "loss" and old is not None:
        return _named_losses(new, loss_tables(old))
    if isinstance(old, Mapping) and isinstance(new, Mapping) and new.get("use", "") in (
        "", old.get("use", "")
    ):  # fmt: skip
        return {**old, **new}
    return new


def _named_losses(value: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the losses in `value`, merged with their known options."""
    named = loss_tables(value)
    return {name: {**known.get(name, {}), **term} for name, term in named.items()}


def data_selection(text: str) -> str:
    """Returns the dataset that `--data` means: a folder, if it is a path, or a dataset by name.

    Example:
        >>> data_selection("photos:heldout")
        'photos:heldout'
        >>> data_selection("pairs:./realsr")
        'pairs:./realsr'
        >>> data_selection("./holiday")
        'folder:./holiday'
    """
    path = user_path(text)
    name, colon, _ = text.partition(":")
    if colon and len(name) > 1 and NAME.fullmatch(name) and not path.exists():
        return text  # a single letter is a drive
    if path.is_dir() or "/" in text or "\\" in text:
        return f"{defaults.FOLDER}:{text}"
    if path.exists():
        raise DataError(f"--data {text} is a file.", "Name a folder of photographs, or a dataset.")
    return text


def check_section(section: str, where: str) -> None:
    """Raises `UsageError` if recipes have no such section."""
    sections = list(Recipe.model_fields)
    if section not in sections:
        guess = did_you_mean(section, sections)
        raise UsageError(
            f"{where}: there is no section {section!r}.{guess}",
            f"Sections: {', '.join(sections)}.",
        )


def _table(key: str, value: Any) -> Any:
    """Converts a selection written as text to a table, so that options can be added."""
    if key == "loss":
        return loss_tables(value)
    if key in SLOTS and isinstance(value, str):
        return {"use": value}
    return dict(value) if isinstance(value, Mapping) else value


def _section(tables: dict[str, Any], section: str, where: str) -> dict[str, Any]:
    """Returns a section's table, creating it from the defaults if it is missing."""
    table = tables.setdefault(section, _table(section, defaults.RECIPE.get(section, {})))
    if not isinstance(table, dict):
        raise UsageError(f"{where}: the recipe's {section!r} is {table!r}, which is not a table.")
    return table
