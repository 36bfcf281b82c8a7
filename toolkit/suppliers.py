"""Where to get a component that no installed plugin supplies."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution, requires

APART: Mapping[str, tuple[str, ...]] = {
    "restoration-toolkit-pocket-wide": ("backbone/pocket-wide",),
    "restoration-toolkit-pyiqa": (
        "metric/clipiqa", "metric/maniqa", "metric/musiq", "metric/pyiqa",
    ),
}  # fmt: skip
"""What the toolkit's own distributions supply that are not among its usual parts."""


def supplier(kind: str, name: str) -> str:
    """The distribution apart from the usual ones that a component comes with; empty for none."""
    found = (each for each, supplied in APART.items() if f"{kind}/{name}" in supplied)
    return next(found, "")


def lacking_parts() -> list[str]:
    """Which of the toolkit's usual plugins, its extra `all`, are not installed."""
    lines = requires("restoration-toolkit") or []
    parts = [line.partition(";")[0].strip() for line in lines if "extra ==" in line]
    return [each for each in parts if not is_installed(each)]


def is_installed(name: str) -> bool:
    """Whether there is a distribution of this name."""
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def how_to_install(kind: str, name: str) -> str:
    """The command that may bring a component, as a sentence; empty where we know of none."""
    known = supplier(kind, name)
    wanted = [known] if known else lacking_parts()
    wanted = [each for each in wanted if not is_installed(each)]
    if not wanted:
        return ""
    what = "It comes with" if known else "Parts of the toolkit are lacking"
    return f"{what}: pip install {' '.join(wanted)}. "
