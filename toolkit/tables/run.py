"""Execution of several measurements, each in its own process: one that fails stops no other."""

from __future__ import annotations

import logging
import multiprocessing
import os
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from toolkit.devices import free_memory, processor_cores
from toolkit.errors import ComponentError, ToolkitError, without_temporary_folder
from toolkit.files import write_atomically
from toolkit.tables.measurement import Measurement

_BYTES_EACH = 4 << 30
"""Memory of a measurement in the small setting, at most."""


@dataclass(frozen=True)
class Event:
    """Progress of a measurement.

    Attributes:
        measurement: The measurement.
        stage: training, restoring, scoring; "done" or "failed" at its end.
        done: How much of the stage.
        total: Of how much.
        reason: Why it failed.
    """

    measurement: Measurement
    stage: str
    done: int = 0
    total: int = 0
    reason: str = ""


@dataclass(frozen=True)
class _Message:
    """An event, as the process of a measurement sends it."""

    stage: str
    done: int = 0
    total: int = 0
    reason: str = ""


@dataclass(frozen=True)
class _Worker:
    """A process that executes a measurement."""

    measurement: Measurement
    place: int
    process: BaseProcess


def workers_for(count: int) -> int:
    """Number of measurements to run at once: one a GPU, or one a core if memory allows.

    Small networks leave most of a second core idle: two of one thread each finish sooner than
    one after the other with two.
    """
    import torch

    if gpus := torch.cuda.device_count():
        return max(1, min(count, gpus))
    memory = free_memory()
    fitting = count if memory is None else memory // _BYTES_EACH
    return max(1, min(count, processor_cores(), fitting))


def run_measurements(
    measurements: Sequence[Measurement],
    workers: int,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> dict[Measurement, str]:
    """Runs all measurements that are not finished.

    Args:
        measurements: In the order in which they are begun.
        workers: How many at once.
        on_event: Told of all progress.

    Returns:
        The reasons of failures, by measurement.
    """
    waiting = deque(each for each in measurements if not each.finished)
    places = deque(range(workers))
    busy: dict[Connection, _Worker] = {}
    failures: dict[Measurement, str] = {}
    threads = max(1, processor_cores() // workers)
    try:
        while waiting or busy:
            while waiting and places:
                connection, worker = _start(waiting.popleft(), places.popleft(), threads)
                busy[connection] = worker
            ready = wait(list(busy))
            for connection in [each for each in busy if each in ready]:
                worker = busy[connection]
                event = _received(connection, worker.measurement)
                if event.stage in ("done", "failed"):
                    worker.process.join()
                    del busy[connection]
                    places.append(worker.place)
                if event.stage == "failed":
                    failures[worker.measurement] = event.reason
                on_event(event)
    finally:
        for connection, worker in busy.items():
            worker.process.terminate()
            worker.process.join()
            connection.close()
    return failures


def threads_of(measurement: Measurement, threads: int) -> int:
    """Number of threads: the same as when it was begun, as it changes the last digits of sums."""
    path = measurement.folder / "threads"
    if path.is_file():
        return int(path.read_text(encoding="utf-8"))
    if not measurement.folder.is_file():  # it says itself what is wrong with that
        measurement.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, str(threads).encode())
    return threads


def _start(measurement: Measurement, place: int, threads: int) -> tuple[Connection, _Worker]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    threads = threads_of(measurement, threads)
    process = context.Process(
        target=_child, args=(measurement, place, threads, theirs), daemon=True
    )
    process.start()
    theirs.close()
    return ours, _Worker(measurement, place, process)


def _received(connection: Connection, measurement: Measurement) -> Event:
    try:
        told: _Message = connection.recv()
    except EOFError:
        reason = "Its process was killed, perhaps for lack of memory."
        return Event(measurement, "failed", reason=reason)
    return Event(measurement, told.stage, told.done, told.total, told.reason)


def _child(measurement: Measurement, place: int, threads: int, connection: Connection) -> None:
    """Body of the process. Where the parent has ended, the next message to it ends this one."""
    import torch

    from toolkit.discovery import installed
    from toolkit.tables.measuring import measure

    log = log_into(measurement.folder)
    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        torch.cuda.set_device(place)

    def tell(stage: str, done: int, total: int) -> None:
        connection.send(_Message(stage, done, total))

    try:
        measure(measurement, installed(), tell)
    except (BrokenPipeError, KeyboardInterrupt):
        return  # what is finished lies in the measurement's folder
    except Exception as error:  # noqa: BLE001 - whatever it is, the other rows go on
        connection.send(
            _Message("failed", reason=reason_of_failure(error, measurement.folder, log))
        )
    else:
        connection.send(_Message("done"))


def reason_of_failure(error: Exception, folder: Path, log: Path) -> str:
    """The reason of a failure, for users."""
    if isinstance(error, ComponentError):
        traceback.print_exception(error)
        return f"{error.told}\nIts traceback is in {log}"
    if isinstance(error, ToolkitError):
        return error.told
    if isinstance(error, OSError):
        if known := without_temporary_folder(error):
            return known.told
        told = f"{error.filename or folder}: {error.strerror or error}. What is finished is kept."
        return f"{told} Free some space, or name another: --work DIR"
    return f"{type(error).__name__}: {error}\n{''.join(traceback.format_exception(error))}"


def log_into(folder: Path) -> Path:
    """Redirects this process's stdout and stderr, which libraries print to, into a log file."""
    path = folder / "log.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("toolkit").setLevel(logging.DEBUG)  # with the traceback of what failed
    return path
