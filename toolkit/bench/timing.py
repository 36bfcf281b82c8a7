"""How long work takes and how much memory it needs, always side by side with something else."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Work = Callable[[], object]


def alternate(theirs: Work, ours: Work, rounds: int) -> dict[str, Any]:
    """Runs both in turn, so that whatever else the machine does meets both alike.

    Returns:
        Seconds of each round, and the ratio theirs / ours: its median, lowest and highest. Above 1,
        ours is the faster one. A first round, which fills caches, is not counted.
    """
    seconds: dict[str, list[float]] = {"theirs": [], "ours": []}
    for _ in range(rounds + 1):
        for name, work in (("theirs", theirs), ("ours", ours)):
            begun = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - begun)
    seconds = {name: found[1:] for name, found in seconds.items()}
    ratios = [a / b for a, b in zip(seconds["theirs"], seconds["ours"], strict=True)]
    ratio = {"median": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios)}
    return {"ratio": ratio, "seconds": seconds}


def peak_bytes(work: Work) -> int | None:
    """Bytes at the peak of `work`, beyond what the process held before; None where none tells.

    On a GPU PyTorch counts; on a processor Linux does.
    """
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        reset.write_text("5", encoding="utf-8")  # the peak begins anew
    except OSError:
        work()
        return None
    held = _kilobytes(status, "VmRSS")
    work()
    return (_kilobytes(status, "VmHWM") - held) * 1024


def _kilobytes(status: Path, key: str) -> int:
    """A line of the kernel's report on this process."""
    lines = (
        line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith(key)
    )
    return int(next(lines).split()[1])
