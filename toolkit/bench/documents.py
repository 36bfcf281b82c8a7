"""What an evaluation says to programs: one JSON document, or lines of a table."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from toolkit.bench.earlier import Comparison
from toolkit.bench.scores import READING, Scores
from toolkit.bench.statistics import LEVEL, RESAMPLES, SEED
from toolkit.provenance import plain

Row = list[str | float | None]


def environment() -> dict[str, str]:
    """What every figure may depend on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "toolkit": version("restoration-toolkit"),
    }


def document(scores: Scores, comparison: Comparison | None = None) -> dict[str, Any]:
    """Everything, as plain values; all numbers are finite, and what is unknown is None."""
    made: dict[str, Any] = {
        "protocol": {
            "images": READING,
            "interval": f"{LEVEL:.0%} of the mean, BCa bootstrap of {RESAMPLES} resamples",
            "seed": SEED,
        },
        "metrics": {
            name: {
                "mean": scores.mean(name),
                "interval": _listed(scores.interval(name)),
                "count": len(scores.of(name)),
                "direction": metric.direction,
                "needs_reference": metric.needs_reference,
                "fingerprint": dict(metric.fingerprint),
                "made_by": plain(scores.made_by[name]),
            }
            for name, metric in scores.metrics.items()
        },
        "images": [
            {
                "name": pair.name,
                "sr_sha256": pair.sr_sha256,
                "hr_sha256": pair.hr_sha256,
                "note": pair.note,
                "scores": {name: scores.figures[pair.name].get(name) for name in scores.metrics},
            }
            for pair in scores.pairs
            if pair.name in scores.figures
        ],
        "skipped": [{"name": name, "reason": reason} for name, reason in scores.skipped],
        "missing": [
            {"name": image, "metric": metric, "reason": reason}
            for image, metric, reason in scores.missing
        ],
        "unavailable": [
            {"metric": name, "reason": str(error), "hint": error.hint}
            for name, error in scores.unavailable.items()
        ],
        "environment": environment(),
    }
    if comparison:
        made["against"] = _against(comparison)
    return made


def _against(comparison: Comparison) -> dict[str, Any]:
    return {
        "file": str(comparison.path),
        "images": {
            "shared": comparison.shared,
            "only_here": comparison.only_here,
            "only_there": comparison.only_there,
        },
        "metrics": {
            name: {**asdict(each), "interval": _listed(each.interval)}
            for name, each in comparison.differences.items()
        },
    }


def _listed(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)


def image_rows(scores: Scores) -> list[Row]:
    """A header, a row an image, and three more: `mean`, `mean_low` and `mean_high`."""
    names = list(scores.metrics)
    intervals = [scores.interval(name) or (None, None) for name in names]
    return [
        ["name", *names],
        *([image, *map(figures.get, names)] for image, figures in scores.figures.items()),
        ["mean", *map(scores.mean, names)],
        ["mean_low", *(low for low, _ in intervals)],
        ["mean_high", *(high for _, high in intervals)],
    ]


def comparison_rows(comparison: Comparison) -> list[Row]:
    """A header, and a row a metric."""
    rows: list[Row] = [
        ["metric", "direction", "count", "here", "there", "difference", "difference_low",
         "difference_high", "level", "p", "p_corrected", "verdict"]
    ]  # fmt: skip
    for name, each in comparison.differences.items():
        rows.append(
            [name, each.direction, each.count, each.here, each.there, each.difference,
             *(each.interval or (None, None)), each.level, each.p, each.p_corrected, each.verdict]
        )  # fmt: skip
    return rows
