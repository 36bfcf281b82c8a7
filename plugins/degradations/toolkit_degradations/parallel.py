"""Parallelism over samples instead of within operations, for reproducible results.

When PyTorch splits an operation among threads, the last bits of the result depend on the number of
threads. Here, each sample is computed by a single thread: results are the same for any number of
cores, and throughput is higher.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

Item = TypeVar("Item")


def map_single_threaded(work: Callable[[Item], Tensor], items: Iterable[Item]) -> list[Tensor]:
    """Returns `work(item)` per item, each computed by one thread of as many as PyTorch uses."""
    threads = torch.get_num_threads()
    if threads == 1:
        return [work(item) for item in items]
    return list(_pool(os.getpid(), threads).map(work, items))


@functools.lru_cache(maxsize=2)
def _pool(_process: int, threads: int) -> ThreadPoolExecutor:
    """Creates threads with single-threaded PyTorch; cached per process, as forks need new ones."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="degradation")
    barrier = threading.Barrier(threads)

    def initialise(_index: int) -> None:
        torch.get_num_threads()  # sets PyTorch's default first, which would overwrite ours later
        torch.set_num_threads(1)
        barrier.wait()

    list(pool.map(initialise, range(threads)))
    torch.set_num_threads(threads)  # the last call also sets the default of new threads
    return pool
