"""Use of the hardware: time by phase, memory, and lines of JSON."""

import json
import mmap
import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest
import torch

from toolkit.training import usage as module
from toolkit.training.usage import Usage, resident_bytes

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only by `clock.pass_(seconds)`."""
    state = SimpleNamespace(now=100.0)
    state.pass_ = lambda seconds: setattr(state, "now", state.now + seconds)
    fake = SimpleNamespace(perf_counter=lambda: state.now, process_time=lambda: state.now / 2)
    monkeypatch.setattr(module, "time", fake)
    monkeypatch.setattr(module, "processor_cores", lambda: 2)
    return state


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_moment_counts_for_the_innermost_phase(tmp_path, clock):
    path = tmp_path / "logs" / "usage.jsonl"
    with Usage(path, CPU) as usage:
        for step in (1, 2):
            with usage.phase("data"):
                clock.pass_(1)
            with usage.phase("generator"):
                clock.pass_(2)
                with usage.phase("losses"):
                    clock.pass_(0.5)
                clock.pass_(0.25)
            clock.pass_(0.125)
            usage.step(step)
    [record] = lines(path)
    assert record.pop("rss", 1) > 0
    assert record == {"step": 2, "seconds": 3.875, "data": 1, "generator": 2.25, "losses": 0.5,
                      "cpu": 0.25}  # fmt: skip


def test_a_line_is_written_every_few_seconds_and_at_the_end(tmp_path, clock):
    path = tmp_path / "usage.jsonl"
    with Usage(path, CPU, every=10) as usage:
        for step in range(1, 26):
            with usage.phase("data"):
                clock.pass_(1)
            usage.step(step)
            assert path.is_file() == (step >= 10)
    assert [(each["step"], each["data"]) for each in lines(path)] == [(10, 1), (20, 1), (25, 1)]


def test_nothing_is_written_without_a_step(tmp_path):
    with Usage(tmp_path / "usage.jsonl", CPU) as usage, usage.phase("data"):
        pass
    assert not (tmp_path / "usage.jsonl").exists()


def test_a_phase_ends_also_where_it_raises(tmp_path, clock):
    path = tmp_path / "usage.jsonl"
    with Usage(path, CPU) as usage:
        with suppress(ValueError), usage.phase("data"):
            clock.pass_(1)
            raise ValueError
        clock.pass_(5)
        usage.step(1)
    assert lines(path)[0]["data"] == 1


def test_the_time_of_another_thread_is_added(tmp_path, clock):
    path = tmp_path / "usage.jsonl"
    with Usage(path, CPU) as usage:

        def degrade():
            with usage.phase("degradation"):
                clock.pass_(3)

        with usage.phase("data"):
            thread = threading.Thread(target=degrade)
            thread.start()
            thread.join()
        usage.step(1)
    [record] = lines(path)
    assert (record["data"], record["degradation"]) == (3, 3)


def test_a_resumed_run_appends_after_a_torn_line(tmp_path, clock):
    path = tmp_path / "usage.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "sec')
    with Usage(path, CPU) as usage:
        usage.step(3)
    whole, torn, new = path.read_text().splitlines()
    assert (whole, torn) == ('{"step": 1}', '{"step": 2, "sec')
    assert json.loads(new)["step"] == 3


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").touch()
    with Usage(tmp_path / "file" / "usage.jsonl", CPU, every=0) as usage:
        usage.step(1)


def test_the_memory_of_this_process_is_measured():
    before = resident_bytes()
    if before is None:
        pytest.skip("this system does not say")
    assert 1e7 < before < 1e12
    # New pages of the system, as a tensor may be given memory that the process has already.
    with mmap.mmap(-1, 200_000_000) as held:
        held.write(b"\x01" * len(held))
        assert resident_bytes() - before > 1e8
        assert held[0] == 1


def test_a_gpu_counts_by_its_own_events(tmp_path, clock, monkeypatch):
    """The GPU is half a step behind: its figures are read when they are there."""
    done = SimpleNamespace(until=0.0)

    class Event:
        def __init__(self, *, enable_timing):
            assert enable_timing

        def record(self, stream):
            assert stream == "stream"
            self.at = clock.now

        def query(self):
            return self.at <= done.until

        def elapsed_time(self, end):
            return (end.at - self.at) * 1000

    cuda = SimpleNamespace(Event=Event, current_stream=lambda _device: "stream",
                           max_memory_allocated=lambda _device: 12345)  # fmt: skip
    monkeypatch.setattr(torch, "cuda", cuda)
    path = tmp_path / "usage.jsonl"
    with Usage(path, torch.device("cuda"), every=4) as usage:
        for step in (1, 2, 3):
            with usage.phase("data"):
                clock.pass_(1)
            with usage.phase("generator"):
                clock.pass_(3)
            done.until = clock.now - 2 if step < 3 else clock.now
            usage.step(step)
    first, second, third = lines(path)
    assert (first["data"], first.get("generator", 0)) == (1, 0)
    assert (second["data"], second["generator"]) == (1, 3)
    assert (third["data"], third["generator"]) == (1, 6)
    assert first["gpu_memory"] == 12345
