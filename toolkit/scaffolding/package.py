"""Plans and writes a new plugin package."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.component import KINDS, Kind
from toolkit.errors import UsageError, did_you_mean
from toolkit.files import appearing_folder
from toolkit.hookspecs import PLUGIN_API
from toolkit.scaffolding.parts import PARTS

if TYPE_CHECKING:
    from toolkit.registry import Registry

_PREFIX = "toolkit-"
_DISTRIBUTION = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FEW = 3
"""So many kinds are named in a description."""
_LINE = 80
"""Length of a list from which on each item gets a line of its own."""
_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "tests.yml": ".github/workflows/tests.yml",
    "table.toml": "table.toml",
    "init.py": "PACKAGE/__init__.py",
    "plugin.py": "PACKAGE/plugin.py",
    "test_conformance.py": "tests/test_conformance.py",
}
"""Templates of a package, and the files that they become."""


@dataclass(frozen=True)
class Plan:
    """A package to be written.

    Attributes:
        distribution: Its name in `pip list`, such as `toolkit-sharp`.
        kinds: Kinds of its components, each once.
    """

    distribution: str
    kinds: tuple[Kind, ...]

    @property
    def package(self) -> str:
        """Name of the Python package, such as `toolkit_sharp`."""
        return self.distribution.replace("-", "_")

    @property
    def name(self) -> str:
        """Name of its components, such as `sharp`."""
        return self.distribution.removeprefix(_PREFIX)

    @property
    def commands(self) -> list[str]:
        """Commands that use its components, one for each kind."""
        return [PARTS[kind].command.replace("NAME", self.name) for kind in self.kinds]


def plan_package(distribution: str, kinds: Iterable[str], registry: Registry) -> Plan:
    """Returns the plan of a package.

    Args:
        distribution: Its name: lower-case words, separated by hyphens.
        kinds: Kinds of components, or `all`.
        registry: The components whose names are taken.

    Raises:
        UsageError: The name is invalid or taken, or there is no such kind.
    """
    plan = Plan(distribution, _kinds(list(kinds)))
    if not _DISTRIBUTION.fullmatch(distribution) or keyword.iskeyword(plan.package):
        raise UsageError(
            f"{distribution!r} is not a valid name for a package.",
            "Use lower-case words with hyphens between them, such as toolkit-sharp.",
        )
    if taken := _taken(plan, registry):
        raise UsageError(
            f"The name {distribution!r} cannot be used: {taken}.",
            f"Choose another name, such as toolkit-my-{plan.name}.",
        )
    return plan


def write_package(plan: Plan, parent: Path) -> Path:
    """Writes a package into a new folder of its name, and returns the folder.

    Raises:
        UsageError: The folder exists, or cannot be written.
    """
    final = parent / plan.distribution
    with appearing_folder(final) as folder:
        for path, text in _files(plan):
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return final


def _kinds(given: list[str]) -> tuple[Kind, ...]:
    """Returns the kinds in the usual order; all of them for `all`."""
    for kind in given:
        if kind not in (*KINDS, "all"):
            raise UsageError(
                f"There is no kind {kind!r}.{did_you_mean(kind, KINDS)}",
                f"Kinds: {', '.join(KINDS)}; or all.",
            )
    return tuple(kind for kind in KINDS if kind in given or "all" in given)


def _taken(plan: Plan, registry: Registry) -> str:
    """Returns why a name is taken; empty if it is not."""
    if plan.package in sys.stdlib_module_names or find_spec(plan.package):
        return f"there is a Python package {plan.package}"
    for component in registry.components():
        if component.name == plan.name and component.kind in plan.kinds:
            return f"{registry.provider(component)} has a {component.kind} {plan.name!r}"
    return ""


def _files(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yields the path and the text of each file."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - it writes Python and TOML, not HTML
        loader=PackageLoader("toolkit.scaffolding"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )

    environment.filters["wrapped"] = _wrapped

    def render(template: str, **more: Any) -> str:
        return environment.get_template(f"{template}.jinja").render(values, **more)

    values: dict[str, Any] = _values(plan)
    registrations = [render(f"{kind}/plugin.py").rstrip() + "\n" for kind in plan.kinds]
    for template, path in _FILES.items():
        if template == "table.toml" and not values["has_table"]:
            continue
        text = render(f"package/{template}", registrations=registrations)
        yield path.replace("PACKAGE", plan.package), text.rstrip() + "\n"
    yield f"{plan.package}/py.typed", ""
    for kind in plan.kinds:
        yield f"{plan.package}/{kind}.py", render(f"{kind}/module.py")
        yield f"tests/test_{kind}.py", render(f"{kind}/test.py")


def _values(plan: Plan) -> dict[str, Any]:
    """Returns the values that templates use."""
    parts = [PARTS[kind] for kind in plan.kinds]
    named = [part.plural for part in parts] if len(parts) > 1 else list[str](plan.kinds)
    libraries = sorted({library for part in parts for library in part.libraries})
    return {
        "distribution": plan.distribution,
        "package": plan.package,
        "name": plan.name,
        "kinds": plan.kinds,
        "description": "Components" if len(parts) > _FEW else _listed(named).capitalize(),
        "libraries": libraries,
        "toolkit_version": version("restoration-toolkit"),
        "api": PLUGIN_API,
        "imports": sorted(
            {"Component", "Context", "Options", "hookimpl"}.union(*(p.imports for p in parts))
        ),
        "interfaces": sorted(part.interface for part in parts),
        "needs_field": any(part.has_options for part in parts),
        "constants": [kind.upper() for kind in plan.kinds],
        "rows": [
            (kind, PARTS[kind].row.replace("NAME", plan.name))
            for kind in plan.kinds
            if PARTS[kind].row
        ],
        "has_table": "metric" in plan.kinds or any(part.row for part in parts),
        "commands": plan.commands,
    }


def _listed(words: list[str]) -> str:
    """Joins words as English does: `a, b and c`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _wrapped(items: list[str], indent: str, brackets: str) -> str:
    """Joins the items of a list or an import; one a line, in brackets, if they are many."""
    line = ", ".join(items)
    if len(line) > _LINE:
        lines = "".join(f"{indent}    {item},\n" for item in items)
        return f"{brackets[0]}\n{lines}{indent}{brackets[1]}"
    return f"[{line}]" if brackets == "[]" else line
