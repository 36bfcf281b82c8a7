"""Trainings of several processes, one of which is killed, fails, refuses or is told to stop."""

import json
import os
import signal

import pytest

from toolkit.checkpoints import checkpoints
from toolkit.runs import Run

OPTIONS = (
    "train", "--data", "photos:heldout", "--batch", "4", "--disc", "none", "--loss", "mse",
    "--steps", "100000", "--set", "train.checkpoint_every=100000", "--set", "train.crop=32",
    "--set", "gen.lora_rank=2", "--set", "train.device=cpu", "--set", "train.sample_every=0",
)  # fmt: skip


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_others_with_words(server, begun, tmp_path, killed):
    run = Run(tmp_path / "run")
    processes = server.ranks(2, *OPTIONS, "--out", run.folder)
    begun(run)
    processes[killed].kill()
    ended = [process.wait() for process in processes]
    assert ended[killed].code == -signal.SIGKILL
    other = ended[1 - killed]
    assert other.code == 1
    assert "Another of the 2 processes of this training has ended without a message" in other.err
    assert "killed, or out of memory?" in other.err
    assert "the same command with --resume" in other.err
    assert "Traceback" not in other.err


FAILING = """
import os
from toolkit.errors import DataError
from toolkit.training import loop
take = loop.train_step

def train_step(system, batch, step, *given):
    if step == 1 and os.environ["RANK"] == "{rank}":
        raise {error}("the photographs are gone")
    return take(system, batch, step, *given)

loop.train_step = train_step
"""


@pytest.mark.parametrize(
    ("rank", "error"), [(0, "DataError"), (1, "DataError"), (1, "MemoryError")]
)
def test_an_error_is_quoted_by_the_other_processes(server, tmp_path, rank, error):
    processes = server.ranks(
        2, *OPTIONS, "--out", tmp_path / "run",
        before=FAILING.format(rank=rank, error=error),
    )  # fmt: skip
    ended = [process.wait() for process in processes]
    assert all(each.code for each in ended), ended
    assert "the photographs are gone" in ended[rank].err
    assert "Another of the" not in ended[rank].err
    other = ended[1 - rank].err
    told = f"has ended (process {rank + 1} of 2: {error}: the photographs are gone)."
    assert told in other
    assert "Traceback" not in other


NOT_FINITE = """
import os
from toolkit.training import loop
take = loop.train_step

def train_step(system, batch, step, *given):
    if step == 1 and os.environ["RANK"] == "1":
        batch = batch._replace(lr=batch.lr * float("nan"))
    return take(system, batch, step, *given)

loop.train_step = train_step
"""


def test_all_processes_skip_a_step_that_is_not_finite_in_one(server, tmp_path):
    run = Run(tmp_path / "run")
    options = (*OPTIONS, "--steps", "3", "--set", "train.max_skipped_steps=1")
    for process in server.ranks(2, *options, "--out", run.folder, before=NOT_FINITE):
        ended = process.wait()
        assert ended.code == 0, ended
    assert ["skipped" in figures for _, figures in run.read_log()] == [False, True, False]
    report = json.loads((run.crashes / "step-0000002/report.json").read_text())
    assert report["samples"] == [4, 5, 6, 7]


def test_a_batch_that_cannot_be_shared_is_refused(server, tmp_path):
    processes = server.ranks(2, *OPTIONS, "--batch", "3", "--out", tmp_path / "run")
    for process in processes:
        ended = process.wait()
        assert ended.code == 2
        assert "A batch of 3 cannot be shared by 2 processes" in ended.err
        assert "--batch 4" in ended.err
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_taken_is_refused_in_all_processes(server, tmp_path):
    """Those that do not write refuse it, too, rather than wait for those that have ended."""
    (tmp_path / "recipe.toml").touch()
    for process in server.ranks(2, *OPTIONS, "--out", tmp_path):
        ended = process.wait()
        assert ended.code == 2
        assert "already holds a run" in ended.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_processes_after_the_same_step(server, begun, tmp_path, number):
    """Ctrl-C reaches the whole group, SIGTERM perhaps one process alone."""
    run = Run(tmp_path / "run")
    options = (*OPTIONS, "--set", "train.sample_every=1")
    processes = server.ranks(2, *options, "--out", run.folder)
    begun(run)
    second = server.start("train", "--resume", "--out", run.folder).wait()
    assert second.code == 2
    assert "is being trained by another process" in second.err
    if number == signal.SIGINT:
        os.killpg(processes[0].pid, number)
    else:
        os.kill(processes[1].pid, number)
    first, other = [process.wait() for process in processes]
    assert (first.code, other.code) == (130, 130), (first, other)
    steps = [step for step, _ in run.read_log()]
    assert [path.name for path in checkpoints(run.checkpoints)] == [
        f"step-{steps[-1]:07d}.safetensors"
    ]
    assert steps == list(range(1, steps[-1] + 1))  # each is logged once
    assert f"Stopped after step {steps[-1]} of 100000, and saved." in first.out
    assert (other.out, other.err) == ("", "")
    assert len(list(run.samples.iterdir())) == len(steps)
    assert ("Stopping after this step" in first.err) == (number == signal.SIGINT)
    resumed = server.ranks(2, "train", "--resume", "--steps", steps[-1] + 1, "--out", run.folder)
    assert [process.wait().code for process in resumed] == [0, 0]
