"""Batches in the order of a run's steps, made where they are needed, or ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial

from toolkit.training.data.batch import Batch
from toolkit.training.data.pairs import Pairs
from toolkit.training.data.workers import Share, made_by_workers


def batches(
    pairs: Pairs,
    first: int,
    last: int,
    size: int,
    *,
    rank: int = 0,
    ranks: int = 1,
    workers: int = 0,
    ahead: int = 0,
) -> Iterator[Batch]:
    """Yields the batches of steps `first` to `last - 1`, whose samples follow from their numbers.

    Args:
        pairs: Makes the samples.
        first: First step, counted from 0.
        last: Step to stop before.
        size: Samples of a step, over all ranks.
        rank: Which of the processes that train together this is; each gets a part of the samples.
        ranks: Number of processes that train together.
        workers: Number of processes that read and degrade; 0 for none.
        ahead: Number of batches to prepare in advance. Each worker prepares at least two.

    Raises:
        DataError: No photograph can be used, or too many cannot be read.
        ToolkitError: A worker was killed.
    """
    share = Share(size, rank, ranks)
    steps = range(first, last)
    if not workers:
        yield from _in_background((partial(pairs.samples, share.of(step)) for step in steps), ahead)
        return
    with closing(made_by_workers(pairs, steps, share, workers, ahead)) as source:
        if pairs.degrades_on_cpu:
            yield from source
        else:
            yield from _in_background((lambda: pairs.degrade(next(source)) for _ in steps), ahead)


def _in_background(jobs: Iterator[Callable[[], Batch]], ahead: int) -> Iterator[Batch]:
    """Yields what jobs return, in order; a thread does up to `ahead` of them in advance."""
    if not ahead:
        yield from (job() for job in jobs)
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="data") as pool:
        waiting: deque[Future[Batch]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(job))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
