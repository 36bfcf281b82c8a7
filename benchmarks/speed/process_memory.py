"""The most memory that this process held, as PyTorch tells of a GPU, and Linux of all else."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak() -> None:
    """Lets the peak begin anew, where that is possible."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):
        _RESET.write_text("5", encoding="utf-8")


def peak_of_process() -> int:
    """Bytes at the peak since `forget_peak`, weights included; 0 where nothing tells."""
    if torch.cuda.is_available() and (allocated := torch.cuda.max_memory_allocated()):
        return allocated
    try:
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
