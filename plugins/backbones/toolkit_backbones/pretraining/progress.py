"""The record of a training over all stages, with a JSON line per validation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROGRESS = "progress.jsonl"
LOG = "log.txt"
"""Output of a background training."""
ORIGIN = "origin.jsonl"
"""Copy of the record of the training that this one continues."""


def read_progress(path: Path) -> list[dict[str, Any]]:
    """Reads the lines of a record, oldest first; empty if there is no record."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def last_record(path: Path) -> dict[str, Any]:
    """Returns the newest line; empty if there is none."""
    return (read_progress(path) or [{}])[-1]


def write_record(path: Path, line: Mapping[str, Any]) -> None:
    """Appends a line."""
    with path.open("a", encoding="utf-8") as record:
        record.write(json.dumps(line) + "\n")


def position(out: Path, stage: str, step: int, batch: int) -> dict[str, Any]:
    """Returns the progress over all stages, including continued trainings, as a record's line.

    Args:
        out: Folder of the training.
        stage: Current stage.
        step: Step in the current run.
        batch: Crops per step.
    """
    last, origin = last_record(out / PROGRESS), last_record(out / ORIGIN)
    total = step + (int(origin["step"]) if origin.get("stage") == stage else 0)
    recorded = int(last["step"]) if last.get("stage") == stage else 0
    crops = int(last.get("crops", 0)) + (total - recorded) * batch
    return {"stage": stage, "step": total, "crops": crops, "hours": last.get("hours", 0.0)}


def crops_per_second(out: Path) -> float | None:
    """Returns the last speed in the training's log, or None."""
    try:
        lines = (out / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines[-200:]):
        if line.startswith('{"step"'):
            return float(json.loads(line)["crops/s"])
    return None
