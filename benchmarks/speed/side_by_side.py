"""What the comparisons share: how they are told and kept, and the machine."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any


def line(name: str, found: dict[str, Any]) -> str:
    """One comparison, for reading."""
    theirs, ours = (statistics.median(found["seconds"][each]) for each in ("theirs", "ours"))
    ratio = found["ratio"]
    spread = f"{ratio['lowest']:.2f} to {ratio['highest']:.2f}"
    return (
        f"{name:10} theirs {theirs:8.3f} s  ours {ours:8.3f} s  {ratio['median']:5.2f}x ({spread})"
    )


def document(benchmark: str, libraries: Iterable[str], **found: Any) -> dict[str, Any]:
    """Figures, with what they depend on."""
    return {
        "benchmark": benchmark,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "system": platform.system(),
        },
        "versions": {"python": platform.python_version(), **{n: version(n) for n in libraries}},
        **found,
    }


def processor() -> str:
    """The processor's name and the instructions that matter to networks, where they are told."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    told = {key.strip(): value.strip() for key, _, value in (each.partition(":") for each in lines)}
    known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    flags = [flag for flag in known if flag in told.get("flags", "").split()]
    return ", ".join([told.get("model name", platform.machine()), *flags])


def save(path: Path | None, content: dict[str, Any]) -> None:
    """Keeps the figures as JSON, if there is a place for them."""
    if path:
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
