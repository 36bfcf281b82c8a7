"""The record of a training through its stages: a line of JSON for each validation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRESS = "progress.jsonl"


def read_progress(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a record, the oldest first; none where there is no record."""
    if path.exists():
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


def crops_a_second(out: Path) -> float | None:
    """The rate that the training wrote to its log last."""
    try:
        lines = (out / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines[-200:]):
        if line.startswith('{"step"'):
            return float(json.loads(line)["crops/s"])
    return None
