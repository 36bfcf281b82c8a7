"""Reads what a run has logged. Files may be absent, and a kill may have torn their lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit.runs import Run

Record = tuple[int, Mapping[str, float]]
"""A step, and values by name."""

FIXED = ("seconds", "rss", "gpu_memory", "cpu")
"""Names in `logs/usage.jsonl` that are no phases of a step."""


@dataclass(frozen=True)
class Crash:
    """A report of a crash.

    Attributes:
        folder: Its folder, in that of the run.
        step: The step at which it happened; None if unknown.
        guilty: Names of what caused it, as far as is known.
    """

    folder: Path
    step: int | None
    guilty: tuple[str, ...]


@dataclass(frozen=True)
class Logs:
    """What a run has logged, in the order of its steps.

    Attributes:
        training: Losses.
        validation: Figures by metric.
        usage: Seconds by phase, and memory.
        crashes: Reports of crashes.
    """

    training: list[Record]
    validation: list[Record]
    usage: list[Record]
    crashes: list[Crash]

    @property
    def step(self) -> int:
        """The last step that is logged; 0 if there is none."""
        return self.training[-1][0] if self.training else 0


def read_logs(run: Run) -> Logs:
    """Reads the logs of a run."""
    return Logs(
        training=_last_of_each(run.read_log()),
        validation=_last_of_each(run.read_validation()),
        usage=_last_of_each(run.read_usage()),
        crashes=[_crash(path, run) for path in sorted(run.crashes.glob("*/report.json"))],
    )


def series(records: Iterable[Record]) -> dict[str, list[tuple[int, float]]]:
    """Returns the points of each name's curve."""
    found: dict[str, list[tuple[int, float]]] = {}
    for step, values in records:
        for name, value in values.items():
            if isinstance(value, int | float):
                found.setdefault(name, []).append((step, value))
    return found


def _last_of_each(records: Iterable[Record]) -> list[Record]:
    """Leaves out the steps that a resumed run has repeated since."""
    kept: list[Record] = []
    for record in reversed(list(records)):
        if not kept or record[0] < kept[-1][0]:
            kept.append(record)
    return kept[::-1]


def _crash(path: Path, run: Run) -> Crash:
    try:
        report = json.loads(path.read_bytes())
    except (OSError, ValueError):
        report = None
    report = report if isinstance(report, dict) else {}
    step, guilty = report.get("step"), report.get("guilty")
    return Crash(
        path.parent.relative_to(run.folder),
        step if isinstance(step, int) else None,
        tuple(map(str, guilty)) if isinstance(guilty, list) else (),
    )
