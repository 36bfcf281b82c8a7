"""Finds out which distribution supplies a component that is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution, requires

APART: Mapping[str, tuple[str, ...]] = {
    "restoration-toolkit-pocket-wide": ("backbone/pocket-wide",),
    "restoration-toolkit-pyiqa": (
        "metric/clipiqa", "metric/maniqa", "metric/musiq", "metric/pyiqa",
    ),
}  # fmt: skip
"""Components of the toolkit's distributions that are not part of its extra `all`."""


def supplier(kind: str, name: str) -> str:
    """Returns the optional distribution that supplies a component; empty if there is none."""
    found = (each for each, supplied in APART.items() if f"{kind}/{name}" in supplied)
    return next(found, "")


def lacking_parts() -> list[str]:
    """Returns the distributions of the extra `all` that are not installed."""
    lines = [line.replace("'", '"') for line in requires("restoration-toolkit") or []]
    parts = [line.partition(";")[0].strip() for line in lines if 'extra == "all"' in line]
    return [each for each in parts if not is_installed(each)]


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
