"""Processes that make batches ahead, by PyTorch's `DataLoader`.

Each makes whole batches from the numbers of their samples, so the number of processes does not
matter to the result.
"""

from __future__ import annotations

import atexit
import multiprocessing
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, cast

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from toolkit.errors import ToolkitError, UsageError
from toolkit.training.data.batch import Batch
from toolkit.training.data.pairs import Pairs
from toolkit.training.data.unusable import News

_PATIENCE = 5
"""Seconds to wait for a killed process, which may be reading from a disk that does not answer."""
_LEAST_AHEAD = 2
"""Batches that a worker prepares: one to hand over, one at work."""
_NO_SHARED_MEMORY = (
    "The workers that read data ran out of shared memory.",
    "Give more, in Docker with --shm-size=8g, or do without them: --set train.workers=0",
)
_IGNORED = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that may reach all processes at once; the parent decides when its workers end."""


class Share(NamedTuple):
    """The samples of a step that one of several processes trains on.

    Example:
        >>> Share(size=4, rank=1, ranks=2).of(10)
        range(42, 44)
    """

    size: int
    """Samples of a step, over all ranks."""
    rank: int
    ranks: int

    def of(self, step: int) -> range:
        """Returns the numbers of the samples."""
        first, last = (self.size * rank // self.ranks for rank in (self.rank, self.rank + 1))
        return range(step * self.size + first, step * self.size + last)


class _Made(NamedTuple):
    """What a worker hands over: a batch or an error, and what it has set aside."""

    batch: Batch | None
    error: ToolkitError | None
    news: News


class _Steps(Dataset[_Made]):
    """The batches of a run, by step."""

    def __init__(self, pairs: Pairs, share: Share) -> None:
        self._pairs, self._share = pairs, share

    def __getitem__(self, step: int) -> _Made:
        try:
            batch = self._pairs.crops(self._share.of(step))
            batch = self._pairs.degrade(batch) if self._pairs.degrades_on_cpu else batch
            _share_memory(batch)
        except ToolkitError as error:
            error.add_note("".join(traceback.format_exception(error)))  # pickling would lose it
            return _Made(None, error, self._pairs.news())
        return _Made(batch, None, self._pairs.news())

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self._pairs.remake, self._pairs.set_aside(), self._share)

    def begin(self, workers: int) -> None:
        """Prepares one of several worker processes."""
        self._pairs.share_memory(workers)
        self._pairs.news()  # the parent knows


def _share_memory(batch: Batch) -> None:
    """Moves images to memory that processes share; if left to the queue, a lack goes unnoticed."""
    try:
        for image in (batch.lr, batch.hr):
            image.share_memory_()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise ToolkitError(*_NO_SHARED_MEMORY) from error


def _remade(
    remake: Callable[[], Pairs], remembered: Sequence[Sequence[Any]], share: Share
) -> _Steps:
    pairs = remake()
    pairs.recall(remembered)
    return _Steps(pairs, share)


def made_by_workers(
    pairs: Pairs, steps: range, share: Share, workers: int, ahead: int
) -> Generator[Batch, None, None]:
    """Yields batches that worker processes make, in order.

    Args:
        pairs: Makes the samples. Its batches are complete if it degrades on the CPU, and otherwise
            what its `crops` returns.
        steps: Of the run, counted from 0.
        share: The samples of each step.
        workers: Number of processes, at least 1.
        ahead: Number of batches to prepare in advance, over all workers.

    Raises:
        DataError: No photograph can be used, or too many cannot be read.
        ToolkitError: A worker was killed.
        UsageError: Processes can neither be forked nor make the same pairs.
    """
    method = start_method()
    if method != "fork" and pairs.remake is None:
        raise UsageError(
            "Data made for this process alone cannot be had from worker processes here.",
            "Read it without: --set train.workers=0",
        )
    if not steps:
        return
    with _quietly():
        loader: DataLoader[_Made] = DataLoader(
            _Steps(pairs, share),
            batch_size=None,
            sampler=steps,
            num_workers=workers,
            collate_fn=_as_it_is,
            worker_init_fn=_begin,
            multiprocessing_context=method,
            prefetch_factor=max(_LEAST_AHEAD, -(-ahead // workers)),
            generator=torch.Generator(),  # it would draw from the global one
        )
    with _running(loader) as (results, processes):
        for _ in steps:
            try:
                made = next(results)
            except RuntimeError as error:
                raise _explained(error, processes) from error
            pairs.merge(made.news)
            if made.error is not None:
                raise made.error
            assert made.batch is not None
            yield made.batch


def start_method() -> str:
    """Returns how worker processes are started: forked where that is safe, as it is quick."""
    forks = sys.platform not in {"win32", "darwin"}
    return "fork" if forks and "fork" in multiprocessing.get_all_start_methods() else "spawn"


@contextmanager
def _running(loader: DataLoader[_Made]) -> Iterator[tuple[Iterator[_Made], list[BaseProcess]]]:
    """Starts a loader's workers, and ends them with its block, at the latest with the program."""
    before = set(multiprocessing.active_children())
    processes: list[BaseProcess] = []

    def end() -> None:
        while processes:
            process = processes.pop()
            process.kill()
            process.join(_PATIENCE)

    atexit.register(end)
    try:
        try:
            with _quietly(), _without_opencv_threads():
                results = iter(loader)
        finally:
            processes += set(multiprocessing.active_children()) - before
        yield results, processes
    finally:
        end()
        atexit.unregister(end)


@contextmanager
def _quietly() -> Iterator[None]:
    """Undoes what starting workers does to the whole process."""
    number = getattr(signal, "SIGCHLD", None)
    handler = signal.getsignal(number) if number else None
    with warnings.catch_warnings():
        # Of more workers than cores, which are the user's choice; and of forking beside threads:
        # the workers use neither the parent's threads nor its GPU.
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
    if number and handler is not None and signal.getsignal(number) is not handler:
        # A worker's death would be raised in the midst of a training step.
        signal.signal(number, handler)


@contextmanager
def _without_opencv_threads() -> Iterator[None]:
    """Ends OpenCV's threads for the duration of a block.

    A forked process inherits their pool without them, and changing it there would wait for them
    forever.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _begin(_worker: int) -> None:
    """Prepares a worker: PyTorch's threads were limited already."""
    for name in _IGNORED:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if cv2.getNumThreads() != 1:  # where processes are not forked
        cv2.setNumThreads(1)
    info = get_worker_info()
    assert info is not None
    cast(_Steps, info.dataset).begin(info.num_workers)


def _as_it_is(made: Any) -> Any:
    return made


def _explained(error: RuntimeError, processes: Sequence[BaseProcess]) -> Exception:
    """Returns the error for users if a worker is dead, and the same one otherwise."""
    code = next((process.exitcode for process in processes if process.exitcode), None)
    if code is None:
        return error
    if code == -getattr(signal, "SIGBUS", 0):
        return ToolkitError(*_NO_SHARED_MEMORY)
    if code == -getattr(signal, "SIGKILL", 0):
        return ToolkitError(
            "A worker that reads data was killed, most likely as memory ran out.",
            f"Take fewer workers: --set train.workers={len(processes) - 1}",
        )
    return ToolkitError(
        f"A worker that reads data ended unexpectedly, with code {code}.",
        "To see why, read in the same process: --set train.workers=0",
    )
