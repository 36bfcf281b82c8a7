"""Progress of long work: a bar on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from toolkit.cli.output import note

if TYPE_CHECKING:
    from toolkit.training.loop import Report

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def training_progress(total: int) -> Iterator[Callable[[Report], None]]:
    """Shows every loss, the rate and the time that is left."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(total)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    losses, rate = TextColumn("{task.fields[losses]}"), TextColumn("{task.fields[rate]}")
    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), rate, Remaining(), losses)
    with Progress(*columns, console=console, speed_estimate_period=120) as bar:
        task = bar.add_task("", total=total, losses="", rate="")
        begun: list[tuple[int, float]] = []

        def show(report: Report) -> None:
            begun.append((report.step, time.monotonic())) if not begun else None
            bar.update(
                task,
                completed=report.step,
                losses=_figures(report.losses),
                rate=_rate(report.step, *begun[0]),
            )
            if report.sample:
                bar.console.print(f"Samples: {report.sample}", highlight=False)

        yield show


def _lines(total: int) -> Callable[[Report], None]:
    begun: list[tuple[int, float]] = []
    shown = [0.0]

    def show(report: Report) -> None:
        now = time.monotonic()
        if not begun:
            begun.append((report.step, now))
        if report.step < total and now - shown[0] < _SECONDS_BETWEEN_LINES and not report.sample:
            return
        shown[0] = now
        line = f"step {report.step}/{total}  {_rate(report.step, *begun[0])}"
        line += f"  {_left(report.step, total, *begun[0])}  {_figures(report.losses)}"
        note(line + (f"  samples: {report.sample}" if report.sample else ""))

    return show


def _figures(losses: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in losses.items())


def _rate(step: int, first: int, begun: float) -> str:
    passed = time.monotonic() - begun
    return f"{(step - first) / passed:.2f} steps/s" if step > first and passed else "… steps/s"


def _left(step: int, total: int, first: int, begun: float) -> str:
    if step <= first:
        return "… left"
    seconds = int((total - step) * (time.monotonic() - begun) / (step - first))
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d} left"


@contextmanager
def counting(verb: str) -> Iterator[Callable[[str, int, int], None]]:
    """Shows which of several images is at work: name, how many are done, how many there are."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda name, done, total: note(f"{verb} {done + 1}/{total}: {name}")
        return
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(verb, total=None)

        def show(name: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=f"{verb} {name}")

        yield show
