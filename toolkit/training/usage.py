"""Measures where the time of a training goes, and the memory that it takes.

Phases follow each other on a timeline, and each moment counts for the innermost phase. On a
processor it is the wall clock's. On a GPU, which works through what the processor has queued, it is
the GPU's own, by CUDA events: a phase then takes as long as the GPU needs for it or waits in it,
such as for data. Nothing waits for a GPU: its figures are read when they are there.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from toolkit.devices import processor_cores
from toolkit.files import append_line

if TYPE_CHECKING:
    import torch

_LOG = logging.getLogger(__name__)


class Usage:
    """Appends lines of JSON to a file: seconds per step by phase, memory, processor.

    A line holds `step`; `seconds`, the mean of a step since the last line; by name of each phase
    its seconds per step; `rss`, bytes of main memory (on macOS the most so far); `gpu_memory`, the
    most bytes that tensors took on the GPU; `cpu`, the share of the usable cores' time that this
    process used. What a system does not tell is left out. A context manager that writes the last
    line when it ends.

    Args:
        path: The file, such as `RUN/logs/usage.jsonl`; a resumed run appends to it.
        device: Where the networks are.
        every: Seconds between lines, at least.
    """

    def __init__(self, path: Path, device: torch.device, every: float = 10.0) -> None:
        self._path, self._device, self._every = path, device, every
        self._clock = _CudaTimeline(device) if device.type == "cuda" else _Timeline()
        self._aside: dict[str, float] = defaultdict(float)
        self._lock, self._owner = threading.Lock(), threading.get_ident()
        self._stack: list[str] = []
        self._step = self._steps = 0
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._steps:
            self._write()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the time in its block for a phase, such as `data`, `generator` or `losses`.

        Phases may be nested. In other threads than the one that made this object, the wall clock
        counts, also while the main thread works: the phases then take longer than a step.
        """
        if threading.get_ident() != self._owner:
            begun = time.perf_counter()
            try:
                yield
            finally:
                with self._lock:
                    self._aside[name] += time.perf_counter() - begun
            return
        self._stack.append(name)
        self._clock.switch(name)
        try:
            yield
        finally:
            self._stack.pop()
            self._clock.switch(self._stack[-1] if self._stack else "")

    def step(self, step: int) -> None:
        """Counts a step; writes a line if the last one is long enough ago.

        Args:
            step: Number of steps done in all.
        """
        self._step = step
        self._steps += 1
        if time.perf_counter() - self._begun >= self._every:
            self._write()

    def _begin(self) -> None:
        self._begun, self._worked, self._steps = time.perf_counter(), time.process_time(), 0

    def _write(self) -> None:
        passed = max(time.perf_counter() - self._begun, 1e-9)
        phases = self._clock.take()
        with self._lock:
            for name, seconds in self._aside.items():
                phases[name] = phases.get(name, 0.0) + seconds
            self._aside.clear()
        record: dict[str, Any] = {"step": self._step, "seconds": round(passed / self._steps, 6)}
        for name, seconds in phases.items():
            record[name] = round(seconds / self._steps, 6)
        if (rss := resident_bytes()) is not None:
            record["rss"] = rss
        if (peak := _gpu_peak(self._device)) is not None:
            record["gpu_memory"] = peak
        worked = time.process_time() - self._worked
        record["cpu"] = round(worked / passed / processor_cores(), 4)
        try:
            append_line(self._path, json.dumps(record))
        except OSError as error:  # a measurement is not worth a training
            _LOG.debug("Cannot write %s", self._path, exc_info=error)
        self._begin()


class _Timeline:
    """Time by phase on the wall clock."""

    def __init__(self) -> None:
        self._phase, self._since = "", time.perf_counter()
        self._taken: dict[str, float] = {}

    def switch(self, phase: str) -> None:
        """Ends the current phase and begins another; an empty name is that of no phase."""
        now = time.perf_counter()
        self._add(self._phase, now - self._since)
        self._phase, self._since = phase, now

    def take(self) -> dict[str, float]:
        """Returns the seconds by phase since the last call."""
        self.switch(self._phase)
        taken, self._taken = self._taken, {}
        return taken

    def _add(self, phase: str, seconds: float) -> None:
        if phase:
            self._taken[phase] = self._taken.get(phase, 0.0) + seconds


class _CudaTimeline(_Timeline):
    """Time by phase on the GPU. What it has not done yet counts for the next line."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device
        self._marks: deque[tuple[str, Any]] = deque()
        self._free: list[Any] = []
        self._mark("")

    def switch(self, phase: str) -> None:
        self._mark(phase)

    def take(self) -> dict[str, float]:
        self._mark(self._marks[-1][0])
        while len(self._marks) > 1 and self._marks[1][1].query():
            phase, begun = self._marks.popleft()
            self._add(phase, begun.elapsed_time(self._marks[0][1]) / 1000)
            self._free.append(begun)
        taken, self._taken = self._taken, {}
        return taken

    def _mark(self, phase: str) -> None:
        import torch

        new: Any = torch.cuda.Event  # is typed in part
        event = self._free.pop() if self._free else new(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        self._marks.append((phase, event))


def resident_bytes() -> int | None:
    """Returns the bytes of main memory that this process takes; None if the system does not say.

    On macOS it is the most that it has taken so far.
    """
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * _page_size()
    with suppress(ImportError):
        import resource

        peak: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return None


def _page_size() -> int:
    import mmap

    return mmap.PAGESIZE


def _gpu_peak(device: torch.device) -> int | None:
    if device.type != "cuda":
        return None
    import torch

    return torch.cuda.max_memory_allocated(device)
