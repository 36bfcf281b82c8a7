"""Which code made a result: the distributions of its parts, with version and a digest of each.

A digest is over what a distribution's code does: comments, docstrings and formatting do not count.
It is taken from the files that Python imports, so that an editable installation is told as well.
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
_WITHOUT_EFFECT = {"cli", "testing", "bench"}
"""Parts of the core that show results or read them, and make none."""
_LARGE = 1 << 20
"""Bytes from which a data file counts by its size: weights have fingerprints of their own."""


class Made(BaseModel):
    """What of a result one distribution has made.

    Attributes:
        version: Of the distribution.
        code: Digest of its code; empty where it cannot be found.
        supplies: The components that take part, as `kind/name`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: str = ""
    code: str = ""
    supplies: tuple[str, ...] = ()


Provenance = Mapping[str, Made]
"""By distribution."""


def provenance(registry: Registry, parts: Iterable[tuple[Kind, Selection]]) -> dict[str, Made]:
    """The distributions of some parts, of what these use in turn, and of the core.

    Raises:
        UnknownComponentError: A part is not installed.
    """
    found: dict[str, set[str]] = {CORE: set()}
    for kind, selection in parts:
        for component in _components(registry, kind, selection):
            label = f"{component.kind}/{component.name}"
            found.setdefault(registry.provider(component), set()).add(label)
    return {name: _made(name, supplies) for name, supplies in sorted(found.items())}


def plain(made: Provenance) -> dict[str, dict[str, Any]]:
    """As plain values, for reports and keys."""
    return {name: each.model_dump(mode="json") for name, each in made.items()}


def changed(before: Provenance, now: Provenance) -> list[str]:
    """What is another code now than before, in words; nothing is known to be of old results."""
    told = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old is None or new is None or (old.version, old.code) == (new.version, new.code):
            continue
        versions = f"{old.version} to {new.version}" if old.version != new.version else "its code"
        told.append(f"{name} ({versions})")
    return told


def supplier_of(before: Provenance, kind: str, name: str) -> str:
    """The distribution that supplied a component then, as pip takes it; empty if not known."""
    for distribution_name, made in before.items():
        if f"{kind}/{name}" in made.supplies:
            return f"{distribution_name}=={made.version}" if made.version else distribution_name
    return ""


def _components(registry: Registry, kind: Kind, selection: Selection) -> Iterator[Component]:
    """A selection's component, those that it uses, and those that its options choose."""
    yield from registry.with_used(registry.find(kind, registry.expand(kind, selection).name))
    for name, value in registry.options(kind, selection):
        if isinstance(value, Selection) and name in KINDS:
            yield from _components(registry, name, value)


@functools.cache
def _digest(name: str) -> tuple[str, str]:
    """Version and digest of a distribution's code; empty where it is none."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return "", ""
    points = [each for each in found.entry_points if each.group == ENTRY_POINT_GROUP]
    packages = {each.module.partition(".")[0] for each in points}
    if name == CORE:
        packages.add("toolkit")
    digest = hashlib.sha256()
    for package in sorted(packages):
        for label, path in _files(package):
            digest.update(label.encode("utf-8", "surrogateescape"))
            digest.update(_effect(path))
    return found.version, digest.hexdigest()[:16] if packages else ""


def _made(name: str, supplies: set[str]) -> Made:
    version, code = _digest(name)
    return Made(version=version, code=code, supplies=tuple(sorted(supplies)))


def _files(package: str) -> list[tuple[str, Path]]:
    """The files of a package or a module, by their paths within it."""
    spec = find_spec(package)
    if spec is None:
        return []
    roots = [Path(each) for each in spec.submodule_search_locations or []]
    if not roots and spec.origin:
        return [(package, Path(spec.origin))]
    found = []
    for root in roots:
        for path in sorted(root.rglob("*")):
            place = path.relative_to(root)
            skipped = "__pycache__" in place.parts or path.suffix == ".pyc"
            if package == "toolkit" and place.parts[0] in _WITHOUT_EFFECT:
                skipped = True
            if path.is_file() and not skipped:
                found.append((f"{package}/{place.as_posix()}", path))
    return found


def _effect(path: Path) -> bytes:
    """What of a file can change a result."""
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
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
    return ast.dump(tree).encode("utf-8", "surrogatepass")


def _is_text(node: ast.AST) -> bool:
    """Whether a statement is a text alone, such as a docstring."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
