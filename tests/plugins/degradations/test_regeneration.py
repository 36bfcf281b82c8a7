"""A sample is its seed and index: in any order, batch, thread or process it has the same bytes."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch

import toolkit
from toolkit_degradations.parallel import map_single_threaded

SIDE = 48
COUNT = 1000


def image_of(index):
    """One of a few images, so that neighbours differ."""
    rng = torch.Generator().manual_seed(index % 7)
    coarse = torch.rand(1, 3, 6, 6, generator=rng)
    return torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic")[0].clamp(0, 1)


def digests(indices, batch, threads=None, name="realesrgan"):
    """Each index with the digest of its LR image."""
    if threads:
        torch.set_num_threads(threads)
    degradation, found = toolkit.make("degradation", name), {}
    for start in range(0, len(indices), batch):
        part = list(indices[start : start + batch])
        hr = torch.stack([image_of(index) for index in part])
        for index, lr in zip(part, degradation.batch(hr, 5, part), strict=True):
            found[index] = hashlib.sha256(lr.numpy().tobytes()).hexdigest()
    return found


@pytest.fixture(scope="module")
def first_time():
    return digests(range(COUNT), 16)


def test_another_order_and_batch(first_time):
    indices = list(range(COUNT))
    random.Random(1).shuffle(indices)
    assert digests(indices, 7) == first_time


def test_one_by_one(first_time):
    assert digests(range(0, COUNT, 5), 1).items() <= first_time.items()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_worker_processes(first_time, workers):
    """Workers have one thread, or more, each its share of the indices, backwards."""
    context = multiprocessing.get_context("spawn")
    shares = [range(COUNT - 1 - worker, -1, -workers) for worker in range(workers)]
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        jobs = [
            pool.submit(digests, share, 3 + number, 1 + number)
            for number, share in enumerate(shares)
        ]
        found = {index: digest for job in jobs for index, digest in job.result().items()}
    assert found == first_time


def test_any_number_of_threads(first_time):
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            assert digests(range(60), 4, threads).items() <= first_time.items()
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["bsrgan", "stablesr", "bicubic+noise", "jpeg"])
def test_other_degradations(name):
    once = digests(range(30), 30, name=name)
    assert digests(list(range(30))[::-1], 4, name=name) == once


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_has_threads_of_its_own(first_time):
    """Data loaders fork; the threads of the parent are not there in the child."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        torch.set_num_threads(1)
        told = "".join(digests(range(4), 4).values())
        os.write(writing, told.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 4096).decode() == "".join(first_time[index] for index in range(4))
    os.close(reading)
    os.close(writing)


def test_threads_compute_alone_and_the_rest_stays_as_it_was():
    before = torch.get_num_threads()
    seen = map_single_threaded(lambda _item: torch.tensor(torch.get_num_threads()), range(8))
    assert {int(each) for each in seen} == {1}
    assert torch.get_num_threads() == before


def test_an_error_of_one_item_is_raised():
    def fail(item):
        raise ValueError(str(item))

    with pytest.raises(ValueError, match="0"):
        map_single_threaded(fail, range(3))
