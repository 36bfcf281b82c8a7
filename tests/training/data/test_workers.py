"""Worker processes make the same batches, end with the parent, and fail clearly."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from toolkit.errors import DataError, ImageError, ToolkitError, UsageError
from toolkit.training.data import Pairs, batches, workers

pytestmark = pytest.mark.skipif(workers.start_method() != "fork", reason="processes are not forked")


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("degradation", ["bicubic", "realesrgan", "bsrgan"])
def test_the_number_of_workers_does_not_matter(photos, pairs, same, count, degradation):
    made = (pairs(photos(40, None, 64, 48), degradation) for _ in range(2))
    plain, forked = (
        batches(source, 2, 9, 3, rank=1, ranks=3, workers=each)
        for source, each in zip(made, (0, count), strict=True)
    )
    assert same(plain, forked)


def test_workers_start_although_opencv_has_threads(photos, pairs, same):
    threads = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (31, 31), 5)  # starts its threads
        plain, forked = (batches(pairs(photos(40, 64)), 0, 2, 2, workers=each) for each in (0, 1))
        assert same(plain, forked)
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(threads)


def test_a_streamed_dataset_is_drawn_in_workers(stream, pairs, same):
    plain, forked = (
        batches(pairs(stream(40, None, 64)), 1, 5, 3, workers=each, ahead=each) for each in (0, 2)
    )
    assert same(plain, forked)


def test_recorded_pairs_come_from_workers(photos, pairs, same):
    class Recorded(photos):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return sample._replace(lr=sample.hr[:, ::4, ::4])

    plain, forked = (
        batches(pairs(Recorded(40, 64), "recorded"), 0, 4, 2, workers=each) for each in (0, 2)
    )
    assert same(plain, forked)


@pytest.mark.parametrize("ahead", [0, 2])
def test_a_gpu_degrades_in_the_parent(photos, pairs, same, monkeypatch, ahead):
    plain = list(batches(pairs(photos(40, 64)), 0, 4, 2))
    parent, degrade = os.getpid(), Pairs.degrade

    def degrade_here(self, batch):
        assert os.getpid() == parent
        assert batch.lr.shape == (2, 3, 0, 0)
        return degrade(self, batch)

    monkeypatch.setattr(Pairs, "degrades_on_cpu", property(lambda _: False))
    monkeypatch.setattr(Pairs, "degrade", degrade_here)
    assert same(plain, batches(pairs(photos(40, 64)), 0, 4, 2, workers=2, ahead=ahead))


def test_the_parent_learns_what_workers_set_aside(photos, pairs):
    alone, source = (pairs(photos(None, 16, 64, 48)) for _ in range(2))
    list(batches(alone, 0, 4, 2))
    list(batches(source, 0, 4, 2, workers=2))
    assert sorted(source.skipped) == sorted(alone.skipped)
    assert sorted(source.set_aside()) == sorted(alone.set_aside())
    list(batches(source, 4, 6, 2, workers=2))
    assert sorted(source.skipped) == sorted(alone.skipped)


def test_unreadable_files_count_over_all_workers(photos, pairs):
    # Each worker alone meets fewer than ten.
    source = pairs(photos(*[None] * 15, *[40] * 45), max_bad_files=0.1)
    with pytest.raises(DataError, match="cannot be read") as told:
        list(batches(source, 0, 20, 3, workers=4))
    assert "--set train.max_bad_files=" in told.value.hint


def test_an_error_arrives_as_it_was_raised(photos, pairs):
    class Failing(photos):
        def __getitem__(self, index):
            raise DataError("The disk is not there.", "Plug it in")

    with pytest.raises(DataError) as told:
        list(batches(pairs(Failing(40)), 0, 3, 2, workers=1))
    assert told.value.told == "The disk is not there.\nPlug it in"
    assert "__getitem__" in told.value.__notes__[0]
    with pytest.raises(DataError, match="none can be used"):
        list(batches(pairs(photos(16)), 0, 3, 2, workers=1))


def test_a_bug_keeps_its_type(photos, pairs):
    class Failing(photos):
        def __getitem__(self, index):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError, match="in DataLoader worker"):
        list(batches(pairs(Failing(40)), 0, 3, 2, workers=1))


def test_a_worker_tells_only_what_its_parent_does_not_know(photos, pairs):
    source = pairs(photos(None, 64))
    source.samples(range(4))
    steps = workers._Steps(source, workers.Share(2, 0, 1))
    spare = source._photographs._spare
    steps.begin(4)
    assert source._photographs._spare == spare // 4
    assert steps[0].news == (3, 1, [])


def test_each_worker_has_one_thread(photos, pairs):
    class Counting(photos):
        def __getitem__(self, index):
            assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
            return super().__getitem__(index)

    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        assert len(list(batches(pairs(Counting(40)), 0, 2, 1, workers=1))) == 2
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize(
    ("number", "message", "hint"),
    [
        (signal.SIGKILL, "was killed, most likely as memory ran out", "train.workers=1"),
        (signal.SIGSEGV, "ended unexpectedly, with code -11", "train.workers=0"),
    ],
)
def test_a_dead_worker_is_told(photos, pairs, monkeypatch, number, message, hint):
    class Deadly(photos):
        def __getitem__(self, index):
            if index == 3 and multiprocessing.parent_process():
                signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
                os.kill(os.getpid(), number)
            return super().__getitem__(index)

    waiting = torch.utils.data.dataloader._MultiProcessingDataLoaderIter._try_get_data
    monkeypatch.setattr(waiting, "__defaults__", (0.2,))  # seconds between looks at the workers
    with pytest.raises(ToolkitError, match=message) as told:
        list(batches(pairs(Deadly(40, 40, 40, 40)), 0, 8, 1, workers=2))
    assert hint in told.value.hint
    assert not multiprocessing.active_children()


def test_a_death_is_not_raised_in_the_midst_of_a_step(photos, pairs):
    before = signal.getsignal(signal.SIGCHLD)
    source = batches(pairs(photos(40, 40)), 0, 50, 1, workers=1)
    next(source)
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    time.sleep(0.05)
    assert signal.getsignal(signal.SIGCHLD) == before
    source.close()


def test_workers_end_with_the_batches(photos, pairs):
    for end in (lambda source: source.close(), list):
        source = batches(pairs(photos(40, 40)), 0, 9, 1, workers=2)
        next(source)
        assert len(multiprocessing.active_children()) == 2
        end(source)
        assert not multiprocessing.active_children()


def test_workers_leave_signals_to_the_parent(photos, pairs):
    source = batches(pairs(photos(40, 40)), 0, 9, 1, workers=1)
    next(source)
    (worker,) = multiprocessing.active_children()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(worker.pid, number)
    assert len(list(source)) == 8


def test_global_randomness_is_left_alone(photos, pairs):
    before = torch.get_rng_state()
    list(batches(pairs(photos(40)), 0, 2, 1, workers=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_lack_of_shared_memory_is_told(photos, pairs, monkeypatch):
    def fail(_image):
        raise RuntimeError("unable to allocate shared memory")

    monkeypatch.setattr(torch.Tensor, "share_memory_", fail)
    with pytest.raises(ToolkitError, match="ran out of shared memory") as told:
        list(batches(pairs(photos(40)), 0, 2, 1, workers=1))
    assert "--shm-size" in told.value.hint


def test_what_cannot_be_forked_nor_remade_is_told(photos, pairs, monkeypatch):
    monkeypatch.setattr(workers, "start_method", lambda: "spawn")
    with pytest.raises(UsageError) as told:
        list(batches(pairs(photos(40)), 0, 2, 1, workers=1))
    assert "train.workers=0" in told.value.hint


def remade(folder):
    import toolkit

    return Pairs(
        toolkit.make("dataset", f"folder:{folder}"),
        toolkit.make("degradation", "bicubic"), 32, 0, remake=partial(remade, folder),
    )  # fmt: skip


def test_steps_are_remade_in_a_spawned_process(photo_folder, same):
    source = remade(photo_folder)
    source.recall([[0, "image 1", "torn", True]])
    steps = workers._Steps(source, workers.Share(2, 0, 1))
    function, arguments = steps.__reduce__()
    again = function(*arguments)
    assert same([again[0].batch, again[1].batch], [source.batch(0, 2), source.batch(1, 2)])


RUN = """
import sys, time
import toolkit
from toolkit.training.data import Pairs, batches

if __name__ == "__main__":
    import multiprocessing
    pairs = Pairs(toolkit.make("dataset", "folder:" + sys.argv[1]),
                  toolkit.make("degradation", "bicubic"), 32, 0)
    source = batches(pairs, 0, 1000, 2, workers=2)
    next(source)
    print(*[each.pid for each in multiprocessing.active_children()], flush=True)
    if sys.argv[2] == "raise":
        raise SystemExit("an error")
    time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", ["raise", "kill"])
def test_workers_do_not_outlive_the_parent(photo_folder, end):
    command = [sys.executable, "-c", RUN, str(photo_folder), end]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        pids = [int(pid) for pid in run.stdout.readline().split()]
        assert len(pids) == 2
        if end == "kill":
            run.kill()
        run.wait(timeout=20)
        deadline = time.monotonic() + 20
        while any(map(is_alive, pids)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(map(is_alive, pids))
        assert run.stderr.read() == ("an error\n" if end == "raise" else "")


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_spawned_workers_make_the_same_batches(photo_folder, same, tmp_path):
    from toolkit.discovery import installed
    from toolkit.recipe import resolve
    from toolkit.training.build import build_pairs

    tables = {"data": f"folder:{photo_folder}", "train": {"crop": 32, "device": "cpu"}}
    recipe = resolve(tables, installed())
    plain = list(batches(build_pairs(recipe, installed()), 0, 3, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "start_method", lambda: "spawn")
        patch.setenv("PYTHONWARNINGS", "ignore")
        assert same(plain, batches(build_pairs(recipe, installed()), 0, 3, 2, workers=1))


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(ImageError("torn", "copy it again")))
    assert error.told == "torn\ncopy it again"
