"""Finds out which distribution supplies a component that is not installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution, requires

APART: Mapping[str, tuple[str, ...]] = {
    "restoration-toolkit-pocket-wide": ("backbone/pocket-wide",),
    "restoration-toolkit-pyiqa": (
        "metric/clipiqa", "metric/maniqa", "metric/musiq", "metric/pyiqa",
    ),
}  # fmt: skip
"""Components of the toolkit's distributions that it does not require itself."""
_MAIN = "restoration-toolkit"
_NAME = re.compile(rf"{_MAIN}-[\w-]+")


def supplier(kind: str, name: str) -> str:
    """Returns the optional distribution that supplies a component; empty if there is none."""
    found = (each for each, supplied in APART.items() if f"{kind}/{name}" in supplied)
    return next(found, "")


def lacking_parts() -> list[str]:
    """Returns the plugins that every installation has, but this one lacks."""
    return [each for each in usual_parts() if not is_installed(each)]


def usual_parts() -> list[str]:
    """Returns the plugins that `restoration-toolkit` requires."""
    lines = [line for line in requires(_MAIN) or [] if "extra ==" not in line]
    names = (_NAME.match(line) for line in lines)
    return [name[0] for name in names if name]


def is_installed(name: str) -> bool:
    """Returns whether a distribution is installed."""
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def how_to_install(kind: str, name: str) -> str:
    """Returns a sentence with the command that installs a component; empty if unknown."""
    known = supplier(kind, name)
    wanted = [known] if known else lacking_parts()
    wanted = [each for each in wanted if not is_installed(each)]
    if not wanted:
        return ""
    what = "It comes with" if known else "Parts of the toolkit are lacking"
    return f"{what}: pip install {' '.join(wanted)}. "
