"""Which files a run trains on, so that resuming on others does not pass unseen."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.interfaces import Dataset
from toolkit.weights import write_atomically

MATERIAL = "data.json"
_ENDS = 1 << 14
"""Bytes at both ends of a file that tell it: reading all of a large dataset would take hours."""
_NAMED = 3

Material = Mapping[str, tuple[int, str]]
"""Size and digest of each file, by its name in the dataset."""


def material_of(dataset: Dataset) -> dict[str, tuple[int, str]]:
    """The files that a dataset names in `files`; nothing of one that names none."""
    files: Mapping[str, Path] = getattr(dataset, "files", {})
    return {name: _told(path) for name, path in files.items() if path.is_file()}


def save_material(material: Material, folder: Path) -> None:
    """Writes it into a run's folder."""
    content = {name: {"size": size, "sha256": sha256} for name, (size, sha256) in material.items()}
    write_atomically(folder / MATERIAL, (json.dumps(content, indent=1) + "\n").encode())


def read_material(folder: Path) -> dict[str, tuple[int, str]]:
    """What was written; nothing for a run of before there was such a file."""
    try:
        content: dict[str, Any] = json.loads((folder / MATERIAL).read_text(encoding="utf-8"))
        return {name: (each["size"], each["sha256"]) for name, each in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def changed_material(before: Material, now: Material) -> str:
    """What differs, in words; empty where nothing does, or nothing is known of before."""
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
    """Of both ends of a file, once for each state of it: rows of a table share their files."""
    with path.open("rb") as file:
        ends = file.read(_ENDS)
        file.seek(max(0, size - _ENDS))
        ends += file.read(_ENDS)
    return hashlib.sha256(ends).hexdigest()
