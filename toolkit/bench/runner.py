"""Runs jobs side by side, each in a process of its own: one that fails stops no other."""

from __future__ import annotations

import logging
import multiprocessing
import os
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from toolkit.bench.jobs import Job
from toolkit.errors import ComponentError, ToolkitError, without_temporary_folder
from toolkit.weights import write_atomically

_BYTES_EACH = 4 << 30
"""Memory that a job at pocket scale may take."""


@dataclass(frozen=True)
class Event:
    """Where a job stands.

    Attributes:
        job: Which.
        stage: training, restoring, scoring; "done" or "failed" at its end.
        done: How much of the stage.
        total: Of how much.
        reason: Why it failed.
    """

    job: Job
    stage: str
    done: int = 0
    total: int = 0
    reason: str = ""


def workers_for(jobs: int) -> int:
    """How many jobs this machine does at once: one a GPU, or one a core where memory allows it.

    Small networks leave most of a second core idle: two jobs of one thread each finish sooner than
    one after the other with two.
    """
    import torch

    if gpus := torch.cuda.device_count():
        return max(1, min(jobs, gpus))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    return max(1, min(jobs, len(os.sched_getaffinity(0)), memory // _BYTES_EACH))


def run_jobs(
    jobs: Sequence[Job], workers: int, on_event: Callable[[Event], None] = lambda _event: None
) -> dict[Job, str]:
    """Does all jobs of which something is left to do.

    Args:
        jobs: In the order in which they are begun.
        workers: How many at once.
        on_event: Told of all progress.

    Returns:
        Why jobs failed, by job.
    """
    waiting = deque(job for job in jobs if not job.finished)
    places = deque(range(workers))
    busy: dict[Connection, tuple[Job, int, Any]] = {}
    failures: dict[Job, str] = {}
    threads = max(1, len(os.sched_getaffinity(0)) // workers)
    try:
        while waiting or busy:
            while waiting and places:
                job, place = waiting.popleft(), places.popleft()
                connection, process = _start(job, place, _threads_of(job, threads))
                busy[connection] = job, place, process
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                job, place, process = busy[ready]
                event = _received(ready, job)
                if event.stage in ("done", "failed"):
                    process.join()
                    del busy[ready]
                    places.append(place)
                if event.stage == "failed":
                    failures[job] = event.reason
                on_event(event)
    finally:
        for connection, (_, _, process) in busy.items():
            process.terminate()
            process.join()
            connection.close()
    return failures


def _threads_of(job: Job, threads: int) -> int:
    """As many as when it was begun: with others, sums come out otherwise in the last digits."""
    path = job.folder / "threads"
    if path.is_file():
        return int(path.read_text(encoding="utf-8"))
    if not job.folder.is_file():  # the job itself says what is wrong with that
        job.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, str(threads).encode())
    return threads


def _start(job: Job, place: int, threads: int) -> tuple[Connection, Any]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(job, place, threads, theirs), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _received(connection: Connection, job: Job) -> Event:
    try:
        stage, done, total, reason = connection.recv()
    except EOFError:
        return Event(job, "failed", reason="Its process was killed, perhaps for lack of memory.")
    return Event(job, stage, done, total, reason)


def _child(job: Job, place: int, threads: int, connection: Connection) -> None:
    """In a process of its own. Where the parent is gone, the next word to it ends this one."""
    import torch

    from toolkit.bench.worker import work
    from toolkit.registry import installed

    log = job.folder / "log.txt"
    _speak_into(log)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("toolkit").setLevel(logging.DEBUG)  # with the traceback of what failed
    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        torch.cuda.set_device(place)

    def tell(stage: str, done: int, total: int) -> None:
        connection.send((stage, done, total, ""))

    try:
        work(job, installed(), tell)
    except (BrokenPipeError, KeyboardInterrupt):
        return  # what is finished lies in the job's folder
    except ComponentError as error:
        traceback.print_exc()
        connection.send(("failed", 0, 0, f"{error.told}\nIts traceback is in {log}"))
    except ToolkitError as error:
        connection.send(("failed", 0, 0, error.told))
    except OSError as error:
        where = error.filename or job.folder
        told = f"{where}: {error.strerror or error}. What is finished is kept."
        told = f"{told} Free some space, or name another: --work DIR"
        known = without_temporary_folder(error)
        connection.send(("failed", 0, 0, known.told if known else told))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other rows go on
        lines = traceback.format_exception(error)
        connection.send(("failed", 0, 0, f"{type(error).__name__}: {error}\n{''.join(lines)}"))
    else:
        connection.send(("done", 0, 0, ""))


def _speak_into(path: Path) -> None:
    """What libraries print belongs to the job, not between the lines of the table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
