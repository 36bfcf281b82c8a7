"""The record of a training through its stages: a line of JSON for each validation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROGRESS = "progress.jsonl"
LOG = "log.txt"
"""What a training in the background prints."""
ORIGIN = "origin.jsonl"
"""The record of the training that this one goes on from, as it was then."""


def read_progress(path: Path) -> list[dict[str, Any]]:
    """The lines of a record, the oldest first; none where there is no record."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def last_record(path: Path) -> dict[str, Any]:
    """The newest line; empty where there is none."""
    return (read_progress(path) or [{}])[-1]


def write_record(path: Path, line: Mapping[str, Any]) -> None:
    """Adds a line."""
    with path.open("a", encoding="utf-8") as record:
        record.write(json.dumps(line) + "\n")


def position(out: Path, stage: str, step: int, batch: int) -> dict[str, Any]:
    """Where a training stands, over all stages and machines: a record's line without its figures.

    Args:
        out: The training's folder.
        stage: The one that runs.
        step: Of the stage's run here.
        batch: Crops a step.
    """
    before, origin = last_record(out / PROGRESS), last_record(out / ORIGIN)
    whole = step + (int(origin["step"]) if origin.get("stage") == stage else 0)
    known = int(before["step"]) if before.get("stage") == stage else 0
    crops = int(before.get("crops", 0)) + (whole - known) * batch
    return {"stage": stage, "step": whole, "crops": crops, "hours": before.get("hours", 0.0)}


def crops_a_second(out: Path) -> float | None:
    """The rate that the training wrote to its log last."""
    try:
        lines = (out / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines[-200:]):
        if line.startswith('{"step"'):
            return float(json.loads(line)["crops/s"])
    return None
