"""A run's checkpoints: damaged ones are passed over; a full disk costs nothing that was saved."""

import errno
import json
import logging
import os
import shlex

import pytest
import torch

from toolkit.checkpoints import checkpoint_path, checkpoints, load_part, read_metadata
from toolkit.discovery import installed
from toolkit.errors import CheckpointError, ToolkitError
from toolkit.recipe import resolve
from toolkit.runs import Run
from toolkit.training import loop, recording, samples, validation
from toolkit.training.saving import newest_whole

STEPS = 4


def recipe(**train):
    plan = {"steps": STEPS, "batch": 1, "crop": 32, "device": "cpu", "sample_every": 2, "ema": 0.9,
            "checkpoint_every": 1, "validate_every": 1, "validate_crop": 32, **train}  # fmt: skip
    plan |= {"validate_metrics": "psnr", "validate_on": plan.get("validate_on", "photos:heldout")}
    tables = {"disc": {"use": "none"}, "gen": {"use": "one-step", "lora_rank": 2}, "loss": "mse",
              "data": "photos:heldout", "train": plan}  # fmt: skip
    return resolve(tables, installed())


@pytest.fixture
def train(photo_folder):
    """Trains a run to its end."""
    return lambda run: loop.train(run, recipe(validate_on=f"folder:{photo_folder}"), installed())


@pytest.fixture(scope="module")
def whole(tmp_path_factory, photo_folder):
    """A run that nothing happened to; not to be written into."""
    run = Run(tmp_path_factory.mktemp("whole") / "run")
    loop.train(run, recipe(validate_on=f"folder:{photo_folder}"), installed())
    return run


def parts(path):
    return {
        f"{part}/{name}": tensor
        for part in json.loads(read_metadata(path)["parts"])
        for name, tensor in load_part(path, part).items()
    }


def assert_as(whole, run):
    """All of a run is as if nothing had happened."""
    names = {path.name for path in whole.checkpoints.iterdir()}
    assert names == {p.name for p in run.checkpoints.iterdir() if not p.name.endswith(".damaged")}
    for name in names:
        mine, theirs = parts(run.checkpoints / name), parts(whole.checkpoints / name)
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in mine.items()), name
    for log in ("log", "validation_log"):
        assert getattr(run, log).read_text() == getattr(whole, log).read_text()
    assert [path.name for path in run.folder.rglob("*.part")] == []
    for sheet in whole.samples.iterdir():
        assert (run.samples / sheet.name).read_bytes() == sheet.read_bytes()


def flipped(place):
    def flip(path):
        content = bytearray(path.read_bytes())
        content[int(place * len(content)) if isinstance(place, float) else place] ^= 1
        path.write_bytes(content)

    return flip


DAMAGE = {
    "a bit of the tensors": flipped(0.9),
    "the last bit": flipped(-1),
    "a bit of the header": flipped(100),
    "the header's length": flipped(2),
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "cut by a byte": lambda path: os.truncate(path, path.stat().st_size - 1),
    "empty": lambda path: os.truncate(path, 0),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}


def copied(whole, folder):
    """A copy of a run, with files of its own."""
    for path in whole.folder.rglob("*"):
        to = folder / path.relative_to(whole.folder)
        to.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            to.write_bytes(path.read_bytes())
    return Run(folder)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_taken(
    whole, tmp_path, damage, caplog
):
    run = copied(whole, tmp_path / "run")
    before, newest = checkpoints(run.checkpoints)
    DAMAGE[damage](newest)
    content = newest.read_bytes()
    with caplog.at_level(logging.WARNING, "toolkit"):
        assert newest_whole(run) == before
    [notice] = caplog.messages
    assert notice.startswith(f"Notice: {newest} ")
    assert notice.endswith(f"It was renamed to {newest.name}.damaged.")
    assert newest.with_name(f"{newest.name}.damaged").read_bytes() == content  # nothing is lost
    caplog.clear()
    assert newest_whole(run) == before  # and that is all there is to say
    assert caplog.messages == []


def test_a_run_goes_on_from_the_one_before_it_to_the_same_end(whole, train, tmp_path):
    """Though the damaged one was the best, too, the same file."""
    run = copied(whole, tmp_path / "run")
    newest = checkpoints(run.checkpoints)[-1]
    best = run.checkpoints / validation.BEST
    for path in (newest, best):
        flipped(0.9)(path)
    assert train(run).step == STEPS
    assert_as(whole, run)


def test_where_all_are_damaged_nothing_is_begun_again_in_their_place(whole, train, tmp_path):
    run = copied(whole, tmp_path / "my run")
    for path in checkpoints(run.checkpoints):
        os.truncate(path, 100)
    before = run.log.read_text()
    for _ in range(2):  # nor at the second try, when all have been renamed
        with pytest.raises(CheckpointError, match=r"All checkpoints in .* are damaged") as told:
            train(run)
        assert run.log.read_text() == before
        assert f"--config {shlex.quote(str(run.recipe_path))} --out DIR" in told.value.hint
    assert len(list(run.checkpoints.glob("*.damaged"))) == 2


def test_without_checkpoints_a_run_begins(tmp_path):
    run = Run(tmp_path)
    assert newest_whole(run) is None
    run.checkpoints.mkdir()
    assert newest_whole(run) is None


def test_what_kills_left_is_removed(whole, train, tmp_path):
    run = copied(whole, tmp_path / "run")
    for folder in (run.folder, run.checkpoints, run.samples, run.log.parent):
        (folder / ".some.0123.part").touch()
    train(run)
    assert_as(whole, run)


def test_a_kill_between_the_checkpoint_and_the_best_one_is_made_good(
    whole, train, tmp_path, monkeypatch
):
    run = Run(tmp_path / "run")
    keep = validation.Validation.keep_best

    def killed(self, checkpoint):
        if checkpoint.name == "step-0000003.safetensors":
            raise KeyboardInterrupt
        keep(self, checkpoint)

    monkeypatch.setattr(validation.Validation, "keep_best", killed)
    monkeypatch.setattr(validation.Validation, "is_best", lambda _self, _step: True)
    with pytest.raises(KeyboardInterrupt):
        train(run)
    monkeypatch.undo()
    best = run.checkpoints / validation.BEST
    assert read_metadata(best)["step"] == "2"
    scores = dict(run.read_validation())
    lines = [{"step": step, "psnr": 100.0 * step} for step in scores]  # none will be better
    run.validation_log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    train(run)
    assert read_metadata(best)["step"] == "3"


def test_a_run_opened_at_its_best_step_leaves_nothing_behind(whole, train, tmp_path):
    """There, the best checkpoint and the newest are one file under two names."""
    run = copied(whole, tmp_path / "run")
    newest, best = checkpoints(run.checkpoints)[-1], run.checkpoints / validation.BEST
    scores = [{"step": step, "psnr": float(step)} for step, _ in run.read_validation()]
    run.validation_log.write_text("".join(f"{json.dumps(each)}\n" for each in scores))
    best.unlink()
    os.link(newest, best)
    train(run)
    assert best.samefile(newest)
    assert list(run.folder.rglob("*.part")) == []


def full(*_arguments, **_options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/full/disk/file")


def full_at(count, work=None):
    """Calls `work`, but the disk is full at one of the calls, after what it did."""
    calls = iter(range(1, 1000))

    def call(*arguments, **options):
        if work:
            done = work(*arguments, **options)
        if next(calls) == count:
            full()
        return done if work else None

    return call


def fsync_at(run, step):
    """`os.fsync` fails while the checkpoint of a step is written."""
    real = os.fsync

    def fsync(descriptor):
        if list(run.checkpoints.glob(f".step-{step:07d}*.part")):
            full()
        return real(descriptor)

    return os, "fsync", fsync


def half_a_line(run, record):
    """Writes what fits of a line."""
    line = json.dumps(record)
    with run.log.open("a") as stream:
        stream.write(line[: len(line) // 2] if record["step"] == 3 else f"{line}\n")
    if record["step"] == 3:
        full()


def in_log(_run):
    return Run, "append_log", half_a_line


def in_checkpoint(run):
    return fsync_at(run, 3)


def in_sheet(_run):
    return samples, "write_picture", full_at(2, samples.write_picture)


def in_validation(_run):
    return validation.Validation, "score", full_at(3, validation.Validation.score)


def in_best(_run):
    return validation.Validation, "keep_best", full_at(2)


FULL = {"log": in_log, "checkpoint": in_checkpoint, "sample sheet": in_sheet,
        "validation": in_validation, "best": in_best}  # fmt: skip


@pytest.mark.parametrize("what", FULL)
def test_a_full_disk_stops_a_run_that_goes_on_exactly(whole, train, tmp_path, monkeypatch, what):
    run = Run(tmp_path / "my run")
    with monkeypatch.context() as patch:
        patch.setattr(*FULL[what](run))
        with pytest.raises(ToolkitError, match=r"Cannot write to .*: No space left") as told:
            train(run)
    newest = checkpoints(run.checkpoints)[-1]
    assert f"The checkpoints up to {newest.name} are whole." in str(told.value)
    assert newest == checkpoint_path(run.checkpoints, int(read_metadata(newest)["step"]))
    assert told.value.hint == (
        f"Free some space, then go on: toolkit train --resume --out '{run.folder}'"
    )
    assert list(run.checkpoints.glob("*.part")) == []
    train(run)
    assert_as(whole, run)


def test_a_full_disk_at_the_beginning_leaves_what_can_be_resumed(whole, train, tmp_path):
    run = Run(tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*fsync_at(run, 1))
        with pytest.raises(ToolkitError, match="No space left") as told:
            train(run)
    assert "are whole" not in str(told.value)
    train(run)
    assert_as(whole, run)


def test_a_page_that_cannot_be_written_stops_nothing(whole, train, tmp_path, monkeypatch, caplog):
    run = Run(tmp_path / "run")
    monkeypatch.setattr(recording, "write_page", full)
    with caplog.at_level(logging.WARNING, "toolkit"):
        assert train(run).step == STEPS
    assert any("The run's page was not written" in message for message in caplog.messages)
    assert_as(whole, run)


@pytest.mark.parametrize("error", [full, lambda *_: {}["a bug of the page"]])
def test_a_page_that_cannot_be_written_does_not_hide_why_training_ended(
    train, tmp_path, monkeypatch, error
):
    monkeypatch.setattr(recording, "write_page", error)
    monkeypatch.setattr(*in_log(None))
    with pytest.raises(ToolkitError, match="Cannot write to"):
        train(Run(tmp_path / "run"))


def test_a_measurement_that_cannot_be_written_stops_nothing(whole, train, tmp_path, monkeypatch):
    from toolkit.training import usage

    run = Run(tmp_path / "run")
    monkeypatch.setattr(usage, "append_line", full)
    assert train(run).step == STEPS
    assert_as(whole, run)
