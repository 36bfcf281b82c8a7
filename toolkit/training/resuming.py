"""Checks before resuming that recipe, code and training files are those of the run."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import UsageError
from toolkit.files import write_atomically
from toolkit.interfaces import Dataset
from toolkit.members import files
from toolkit.provenance import changed
from toolkit.recipe import Recipe, difference, resolve
from toolkit.registry import Registry
from toolkit.runs import Run

MATERIAL = "data.json"
_ENDS = 1 << 14
"""Bytes hashed at both ends of a file: hashing a large dataset whole would take hours."""
_NAMED = 3
_LISTED = 5000
"""Number of files up to which each is recorded by itself."""

Material = Mapping[str, tuple[int, str]]
"""Size and digest of each file, by its name in the dataset."""


def check_recipe(run: Run, recipe: Recipe, registry: Registry) -> None:
    """Refuses to resume a run with a different recipe.

    Raises:
        UsageError: The recipes differ in more than, for example, the number of steps.
    """
    with run.naming_suppliers():
        differing = difference(resolve(run.recipe_tables(), registry), recipe)
    if differing:
        raise UsageError(
            f"{run.folder} was trained with another {differing[0]}; resuming cannot change it.",
            "Leave it out, or start another run: --out DIR",
        )


def check_changes(
    run: Run, recipe: Recipe, material: Material, confirm: Callable[[str], bool]
) -> None:
    """Asks before a run is resumed with other code or files, which would change the result.

    Args:
        run: The run to resume.
        recipe: The newly resolved recipe.
        material: The current training files.
        confirm: Called with a description of the changes; returns whether to resume.

    Raises:
        UsageError: `confirm` returned False.
    """
    told = changed(run.recipe().provenance, recipe.provenance)
    if files := changed_material(read_material(run.folder), material):
        told.append(files)
    if not told:
        return
    message = f"{run.folder} was trained with something else: {'; '.join(told)}."
    if not confirm(message):
        words = f"toolkit train --resume --accept-changes --out {run.quoted}"
        raise UsageError(message, f"To resume anyway: {words}")


def material_of(dataset: Dataset) -> dict[str, tuple[int, str]]:
    """Returns sizes and digests of a dataset's files; empty if it has no files.

    Of more than 5,000 files, one digest of all names and sizes: reading them would take hours.
    """
    named = files(dataset)
    if len(named) <= _LISTED:
        return {name: _told(path) for name, path in named.items() if path.is_file()}
    total, digest = 0, hashlib.sha256()
    for name in sorted(named):
        size = named[name].stat().st_size if named[name].is_file() else -1
        digest.update(f"{name}\0{size}\n".encode(errors="surrogateescape"))
        total += max(0, size)
    return {f"names and sizes of {len(named)} files": (total, digest.hexdigest())}


def save_material(material: Material, folder: Path) -> None:
    """Writes the list of training files into a run's folder."""
    content = {name: {"size": size, "sha256": sha256} for name, (size, sha256) in material.items()}
    write_atomically(folder / MATERIAL, (json.dumps(content, indent=1) + "\n").encode())


def read_material(folder: Path) -> dict[str, tuple[int, str]]:
    """Reads the list of training files; empty for runs of earlier versions."""
    try:
        content: dict[str, Any] = json.loads((folder / MATERIAL).read_text(encoding="utf-8"))
        return {name: (each["size"], each["sha256"]) for name, each in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def changed_material(before: Material, now: Material) -> str:
    """Describes the differences; empty if there are none, or if `before` is unknown."""
    if not before:
        return ""
    found = [f"{name} (gone)" for name in before.keys() - now.keys()]
    found += [f"{name} (new)" for name in now.keys() - before.keys()]
    found += [f"{name} (another)" for name in before.keys() & now.keys()
              if before[name] != now[name]]  # fmt: skip
    if not found:
        return ""
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{len(found)} of the files to train on: {', '.join(sorted(found)[:_NAMED])}{more}"


def _told(path: Path) -> tuple[int, str]:
    status = path.stat()
    return status.st_size, _digest(path, status.st_size, status.st_mtime_ns)


@functools.cache
def _digest(path: Path, size: int, _changed: int) -> str:
    """Hashes both ends of a file; cached, as the rows of a table share their files."""
    with path.open("rb") as file:
        ends = file.read(_ENDS)
        file.seek(max(0, size - _ENDS))
        ends += file.read(_ENDS)
    return hashlib.sha256(ends).hexdigest()
