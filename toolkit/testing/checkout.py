"""Loads a plugin from its folder as if it were installed."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import Distribution, DistributionFinder
from os import PathLike
from pathlib import Path
from typing import Any

from toolkit.discovery import installed, plain_name
from toolkit.errors import UsageError
from toolkit.hookspecs import ENTRY_POINT_GROUP

_ROOTS = (".", "src", "lib", "python")
"""Folders of a checkout that packages are in."""


class Checkout(Distribution):
    """A folder with a `pyproject.toml`, as a distribution.

    Attributes:
        folder: The folder.
        label: Its name, as `[project]` has it.
        points: Its entry points in the group `toolkit`: modules by name.

    Raises:
        UsageError: The file cannot be read, or names no entry point of the group.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "pyproject.toml"
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(
                f"{folder} has no pyproject.toml, so it is not the folder of a plugin.",
                "Name a plugin's folder, or a distribution in `pip list`.",
            ) from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"{path} cannot be read: {error}.", "Correct it.") from error
        self._project: Mapping[str, Any] = content.get("project", {})
        self.label = str(self._project.get("name", ""))
        groups = self._project.get("entry-points", {})
        self.points: Mapping[str, str] = groups.get(ENTRY_POINT_GROUP, {})
        if not (self.label and self.points):
            raise UsageError(
                f"{path} names no entry point in the group {ENTRY_POINT_GROUP!r} that can be read "
                "without installing.",
                f"It needs [project.entry-points.{ENTRY_POINT_GROUP}] with NAME = 'PACKAGE.plugin'."
                f" If another file has it: pip install -e {folder}",
            )

    @property
    def root(self) -> Path:
        """The folder from which its modules are imported.

        Raises:
            UsageError: It is not found.
        """
        wanted = {point.partition(":")[0].partition(".")[0] for point in self.points.values()}
        for root in (self.folder / name for name in _ROOTS):
            if all(_holds(root, name) for name in wanted):
                return root.resolve()
        raise UsageError(
            f"{', '.join(sorted(wanted))} cannot be loaded from {self.folder} without installing: "
            f"it is in none of the folders {', '.join(_ROOTS)}.",
            f"pip install -e {self.folder}, then: toolkit plugins check {self.label}",
        )

    def read_text(self, filename: str) -> str | None:
        """Returns the files that an installed distribution has beside its code."""
        if filename == "METADATA":
            return "\n".join(self._metadata()) + "\n"
        if filename == "entry_points.txt":
            lines = (f"{name} = {module}" for name, module in self.points.items())
            return "\n".join([f"[{ENTRY_POINT_GROUP}]", *lines])
        return None

    def locate_file(self, path: str | PathLike[str]) -> Any:
        """Returns where a file is."""
        return self.folder / path

    def _metadata(self) -> Iterator[str]:
        yield "Metadata-Version: 2.1"
        yield f"Name: {self.label}"
        yield f"Version: {self._project.get('version', '0')}"
        for line in self._project.get("dependencies", ()):
            yield f"Requires-Dist: {line}"
        for extra, lines in self._project.get("optional-dependencies", {}).items():
            yield from (f'Requires-Dist: {line}; extra == "{extra}"' for line in lines)


class _Finder(DistributionFinder):
    """Shows a checkout to `importlib.metadata`, before an installed copy of it."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout

    def find_spec(self, *_: Any) -> None:
        """Finds no module: these are on `sys.path`."""

    def find_distributions(
        self, context: DistributionFinder.Context | None = None
    ) -> Iterable[Distribution]:
        """Returns the checkout, if it is asked for."""
        name = context.name if context else None
        return (
            [self.checkout]
            if name is None or plain_name(name) == plain_name(self.checkout.label)
            else []
        )


@contextmanager
def opened(checkout: Checkout) -> Iterator[Checkout]:
    """Within its block a plugin's folder is found like an installed distribution.

    An installed copy of it is not used.

    Raises:
        UsageError: Its modules are not found in the folder.
    """
    root, finder = str(checkout.root), _Finder(checkout)
    sys.path.insert(0, root)
    sys.meta_path.insert(0, finder)
    _forget(checkout)
    try:
        yield checkout
    finally:
        sys.path.remove(root)
        sys.meta_path.remove(finder)
        _forget(checkout)


def _forget(checkout: Checkout) -> None:
    """Has the plugin's modules imported again, and the registry filled again."""
    own = {point.partition(":")[0].partition(".")[0] for point in checkout.points.values()}
    for name in [each for each in sys.modules if each.partition(".")[0] in own]:
        del sys.modules[name]
    installed.cache_clear()


def _holds(root: Path, package: str) -> bool:
    return (root / package).is_dir() or (root / f"{package}.py").is_file()
