"""Records the code that made a result: the distributions of its parts, with version and digest.

A digest covers code and data, but not comments, docstrings and formatting. It is computed from the
files that Python imports, which detects changes in an editable installation, too.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from toolkit.component import KINDS, Component, Kind
from toolkit.hookspecs import ENTRY_POINT_GROUP
from toolkit.registry import Registry
from toolkit.specs import Selection

CORE = "restoration-toolkit"
_WITHOUT_EFFECT = frozenset(
    {"cli", "costs", "evaluation", "figures", "reporting", "scaffolding", "tables", "testing"}
)
"""Parts of the core that do not affect a restoration or a training."""
_LARGE = 1 << 20
"""Size in bytes from which only the size of a data file counts: weights have fingerprints."""


class Made(BaseModel):
    """The contribution of a distribution to a result.

    Attributes:
        version: Version of the distribution.
        code: Digest of its code; empty if that cannot be found.
        supplies: Its components that take part, as `kind/name`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: str = ""
    code: str = ""
    supplies: tuple[str, ...] = ()


Provenance = Mapping[str, Made]
"""Contributions by name of the distribution."""


def provenance(registry: Registry, parts: Iterable[tuple[Kind, Selection]]) -> dict[str, Made]:
    """Returns the provenance of parts, of the components that they use, and of the core.

    Raises:
        UnknownComponentError: A part is not installed.
    """
    supplied: dict[str, set[str]] = {CORE: set()}
    for kind, selection in parts:
        for component in _components(registry, kind, selection):
            label = f"{component.kind}/{component.name}"
            supplied.setdefault(registry.provider(component), set()).add(label)
    return {name: _made(name, supplies) for name, supplies in sorted(supplied.items())}


def plain(records: Provenance) -> dict[str, dict[str, Any]]:
    """Converts a provenance to plain values, for reports and keys."""
    return {name: record.model_dump(mode="json") for name, record in records.items()}


def changed(before: Provenance, now: Provenance) -> list[str]:
    """Describes the distributions whose code changed; results without a record give nothing."""
    changes = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old is None or new is None or (old.version, old.code) == (new.version, new.code):
            continue
        versions = f"{old.version} to {new.version}" if old.version != new.version else "its code"
        changes.append(f"{name} ({versions})")
    return changes


def supplier_of(before: Provenance, kind: str, name: str) -> str:
    """Returns the recorded distribution of a component as a pip requirement; empty if unknown."""
    for distribution_name, made in before.items():
        if f"{kind}/{name}" in made.supplies:
            return f"{distribution_name}=={made.version}" if made.version else distribution_name
    return ""


def _components(registry: Registry, kind: Kind, selection: Selection) -> Iterator[Component]:
    """Yields a selection's component, those that it uses, and those selected by its options."""
    yield from registry.with_used(registry.find(kind, registry.expand(kind, selection).name))
    for name, value in registry.options(kind, selection):
        if isinstance(value, Selection) and name in KINDS:
            yield from _components(registry, name, value)


@functools.cache
def _digest(name: str) -> tuple[str, str]:
    """Returns version and code digest of a distribution; empty if it is not installed."""
    try:
        installed = distribution(name)
    except PackageNotFoundError:
        return "", ""
    points = [point for point in installed.entry_points if point.group == ENTRY_POINT_GROUP]
    packages = {point.module.partition(".")[0] for point in points}
    if name == CORE:
        packages.add("toolkit")
    digest = hashlib.sha256()
    for package in sorted(packages):
        for label, path in _files(package):
            digest.update(label.encode("utf-8", "surrogateescape"))
            digest.update(_effect(path))
    return installed.version, digest.hexdigest()[:16] if packages else ""


def _made(name: str, supplies: set[str]) -> Made:
    version, code = _digest(name)
    return Made(version=version, code=code, supplies=tuple(sorted(supplies)))


def _files(package: str) -> list[tuple[str, Path]]:
    """Returns the files of a package or a module, with their relative paths."""
    spec = find_spec(package)
    if spec is None:
        return []
    roots = [Path(location) for location in spec.submodule_search_locations or []]
    if not roots and spec.origin:
        return [(package, Path(spec.origin))]
    files = []
    for root in roots:
        for path in sorted(root.rglob("*")):
            relative = path.relative_to(root)
            skipped = "__pycache__" in relative.parts or path.suffix == ".pyc"
            if package == "toolkit" and relative.parts[0] in _WITHOUT_EFFECT:
                skipped = True
            if path.is_file() and not skipped:
                files.append((f"{package}/{relative.as_posix()}", path))
    return files


def _effect(path: Path) -> bytes:
    """Returns the part of a file's content that can change a result."""
    if path.suffix == ".md":
        return b""
    if path.suffix != ".py":
        size = path.stat().st_size
        return path.read_bytes() if size < _LARGE else str(size).encode()
    source = path.read_bytes()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return source
    for node in ast.walk(tree):
        body: Any = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
    return ast.dump(tree).encode("utf-8", "surrogatepass")


def _is_text(node: ast.AST) -> bool:
    """Whether a statement is a string literal, such as a docstring."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
