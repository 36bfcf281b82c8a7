"""Work that each thread does on its own, so that its result depends on nothing around it.

PyTorch shares one operation among threads; how it does so changes the last bits of a result with
the number of threads. Samples are many, so whole samples are shared out instead: each is computed
by one thread, to the same bits on any machine's number of cores, and in less time.
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


def each_alone(work: Callable[[Item], Tensor], items: Iterable[Item]) -> list[Tensor]:
    """The result for each item, computed by one thread, on as many threads as PyTorch has."""
    threads = torch.get_num_threads()
    if threads == 1:
        return [work(item) for item in items]
    return list(_pool(os.getpid(), threads).map(work, items))


@functools.lru_cache(maxsize=2)
def _pool(_process: int, threads: int) -> ThreadPoolExecutor:
    """Threads for which PyTorch's number of threads is 1; a forked process needs its own."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="degradation")
    all_there = threading.Barrier(threads)

    def settle(_number: int) -> None:
        torch.get_num_threads()  # makes PyTorch set its default now, and not later over ours
        torch.set_num_threads(1)
        all_there.wait()

    list(pool.map(settle, range(threads)))
    torch.set_num_threads(threads)  # the last word is also the default of threads yet to come
    return pool
