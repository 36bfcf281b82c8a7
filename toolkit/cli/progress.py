"""Progress of long work: a bar on a terminal, plain lines elsewhere; always on stderr.

What plugins and libraries print meanwhile goes there, too: stdout is for results.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TypeVar

from toolkit.cli.output import note, working

if TYPE_CHECKING:
    from rich.progress import TaskID

    from toolkit.restoring.folder import Progress as Restoring
    from toolkit.tables.run import Event
    from toolkit.training.loop import Report

P = TypeVar("P")
T = TypeVar("T")

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_MEASUREMENT_LINES = 60.0


def _working(
    progress: Callable[[P], AbstractContextManager[T]],
) -> Callable[[P], AbstractContextManager[T]]:
    """Prints to stderr above the progress bar."""

    @functools.wraps(progress)
    @contextmanager
    def silent(total: P) -> Iterator[T]:
        with working(), progress(total) as show:
            yield show

    return silent


@_working
@contextmanager
def training_progress(total: int) -> Iterator[Callable[[Report], None]]:
    """Shows losses, speed and remaining time."""
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
        pace = _Pace()

        def show(report: Report) -> None:
            rate = pace.rate(report.step)
            bar.update(task, completed=report.step, losses=_outcome(report.figures), rate=rate)
            for line in _events(report):
                bar.console.print(line, highlight=False, markup=False)

        yield show


def _lines(total: int) -> Callable[[Report], None]:
    pace = _Pace()
    shown = [0.0]

    def show(report: Report) -> None:
        now = time.monotonic()
        rate, left = pace.rate(report.step), pace.left(report.step, total)
        events = list(_events(report))
        if report.step < total and now - shown[0] < _SECONDS_BETWEEN_LINES and not events:
            return
        shown[0] = now
        note(f"step {report.step}/{total}  {rate}  {left}  {_outcome(report.figures)}")
        for line in events:
            note(f"  {line}")

    return show


def _events(report: Report) -> Iterator[str]:
    """Yields what happened besides the step."""
    if report.skipped:
        yield f"Skipped: {report.skipped}"
    if report.sample:
        yield f"Samples: {report.sample}"
    if report.scores:
        yield f"Validation: {_figures(report.scores)}"


def _outcome(figures: Mapping[str, float]) -> str:
    """Returns the losses of a step, and in short how generator and discriminator do."""
    from toolkit.training.health import FAKE_ACCURACY, RATIO, REAL_ACCURACY

    health = (REAL_ACCURACY, FAKE_ACCURACY, RATIO)
    losses = {
        name: value
        for name, value in figures.items()
        if name not in health and not name.endswith(" gradient")  # norms are in the log
    }
    real, fake, ratio = map(figures.get, health)
    parts = [_figures(losses)]
    if real is not None and fake is not None:
        parts.append(f"D {100 * real:.0f} % real, {100 * fake:.0f} % fake")
    if ratio is not None:
        parts.append(f"adversarial/other {ratio:.2g}")
    return "  ".join(parts)


def _figures(figures: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())


class _Pace:
    """Speed and remaining time, measured from the first step since the start or resume."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._begun = 0.0

    def rate(self, step: int) -> str:
        """Steps per second."""
        done, passed = self._since(step)
        return f"{done / passed:.2f} steps/s" if done and passed else "… steps/s"

    def left(self, step: int, total: int) -> str:
        """Remaining time until the last step, as hours, minutes and seconds."""
        done, passed = self._since(step)
        if not done:
            return "… left"
        return f"{_clock((total - step) * passed / done)} left"

    def _since(self, step: int) -> tuple[int, float]:
        now = time.monotonic()
        if self._first is None:
            self._first, self._begun = step, now
        return step - self._first, now - self._begun


@_working
@contextmanager
def counting(verb: str) -> Iterator[Callable[[str, int, int], None]]:
    """Shows the current image, and how many of all images are done."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda name, done, total: note(f"{verb} {done + 1}/{total}: {name}")
        return
    from rich.markup import escape
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(verb, total=None)

        def show(name: str, done: int, total: int) -> None:
            told = escape(f"{verb} {name}")  # a name may hold brackets
            bar.update(task, completed=done, total=total, description=told)

        yield show


@_working
@contextmanager
def restoring_progress(total: int) -> Iterator[Callable[[Restoring], None]]:
    """Shows the current image and tile, how many images are done, and the remaining time."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _restoring_lines(total)
        return
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=total, done="")

        def show(progress: Restoring) -> None:
            bar.update(
                task,
                completed=progress.index + progress.share,
                description=escape(progress.job.source.name),  # a name may hold brackets
                done=_images_and_tiles(progress),
            )

        yield show


def _restoring_lines(total: int) -> Callable[[Restoring], None]:
    """Prints a line for each image, and for its tiles at intervals."""
    begun = shown = time.monotonic()

    def show(progress: Restoring) -> None:
        nonlocal shown
        now = time.monotonic()
        if progress.tile and (progress.tiles == 1 or now - shown < _SECONDS_BETWEEN_LINES):
            return
        shown = now
        done = progress.index + progress.share
        left = f", {_clock((total - done) * (now - begun) / done)} left" if done else ""
        where = _images_and_tiles(progress)
        note(f"Restoring {where}: {progress.job.source}{left}")

    return show


def _images_and_tiles(progress: Restoring) -> str:
    tiles = f", tile {progress.tile}/{progress.tiles}" if progress.tiles > 1 else ""
    return f"{progress.index + 1}/{progress.count}{tiles}"


def _clock(seconds: float) -> str:
    """Returns hours, minutes and seconds."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


@_working
@contextmanager
def measurements_progress(total: int) -> Iterator[Callable[[Event], None]]:
    """Shows the stage of each running measurement, and how many are done."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _measurement_lines(total)
        return
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[what]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
        whole = bar.add_task("All", total=total, what="")
        tasks: dict[int, TaskID] = {}

        def show(event: Event) -> None:
            key = id(event.measurement)
            if event.stage in ("done", "failed"):
                if key in tasks:
                    bar.remove_task(tasks.pop(key))
                bar.advance(whole)
                if event.reason:
                    bar.console.print(
                        f"{_measurement_name(event)}: {event.reason}", highlight=False, markup=False
                    )
                return
            if key not in tasks:
                name = escape(_measurement_name(event))
                tasks[key] = bar.add_task(name, total=event.total, what="")
            bar.update(tasks[key], completed=event.done, total=event.total, what=event.stage)

        yield show


def _measurement_lines(total: int) -> Callable[[Event], None]:
    """Prints a line when a measurement begins a stage, at intervals, and at its end."""
    shown: dict[int, tuple[str, float]] = {}
    ended = [0]

    def show(event: Event) -> None:
        now = time.monotonic()
        stage, then = shown.get(id(event.measurement), ("", 0.0))
        if event.stage in ("done", "failed"):
            ended[0] += 1
            more = f": {event.reason}" if event.reason else ""
            note(f"{_measurement_name(event)} {event.stage}, {ended[0]}/{total}{more}")
        elif event.stage != stage or now - then >= _SECONDS_BETWEEN_MEASUREMENT_LINES:
            shown[id(event.measurement)] = event.stage, now
            note(f"{_measurement_name(event)} {event.stage} {event.done}/{event.total}")

    return show


def _measurement_name(event: Event) -> str:
    seed = event.measurement.seed
    return event.measurement.label if seed is None else f"{event.measurement.label}, seed {seed}"
