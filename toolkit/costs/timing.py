"""Timing of two ways of doing the same, side by side; and the memory that work needs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Work = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """Theirs / ours over the rounds; above 1, ours is the faster one."""

    median: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Seconds:
    """Seconds of each round."""

    theirs: tuple[float, ...]
    ours: tuple[float, ...]


@dataclass(frozen=True)
class SideBySide:
    """Times of two ways of doing the same."""

    ratio: Ratio
    seconds: Seconds


def alternate(theirs: Work, ours: Work, rounds: int) -> SideBySide:
    """Times both in turn, so that other load on the machine affects both alike.

    A first round, which fills caches, is not counted.
    """
    taken = [(_seconds(theirs), _seconds(ours)) for _ in range(rounds + 1)][1:]
    ratios = [a / b for a, b in taken]
    ratio = Ratio(statistics.median(ratios), min(ratios), max(ratios))
    return SideBySide(ratio, Seconds(tuple(a for a, _ in taken), tuple(b for _, b in taken)))


def _seconds(work: Work) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def peak_bytes(work: Work) -> int | None:
    """Measures the peak memory of `work` beyond what was held before; None where unknown.

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
    """Reads a value of the kernel's report on this process."""
    lines = (
        line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith(key)
    )
    return int(next(lines).split()[1])
