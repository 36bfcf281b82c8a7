"""Runs: what lies in their folder, and what is refused."""

import json
import os

import pytest

from toolkit.checkpoints import checkpoint_path, save_checkpoint
from toolkit.discovery import installed
from toolkit.errors import CheckpointError, UsageError
from toolkit.recipe import Recipe, resolve
from toolkit.runs import Run, load_generator, newest_run

PARTS = {"generator": {}}


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path / "runs" / "mine")
    made.create(resolve({"disc": "none", "loss": "mse"}, installed()))
    return made


def test_a_new_run_has_its_folders_and_its_recipe(run):
    names = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*")}
    assert names == {"recipe.toml", "checkpoints", "logs", "samples"}
    assert run.exists
    recipe = resolve({"disc": "none", "loss": "mse"}, installed())
    assert resolve(run.recipe_tables(), installed()) == recipe


def test_a_run_is_not_overwritten(run):
    before = run.recipe_path.read_bytes()
    with pytest.raises(UsageError, match="already holds a run") as told:
        run.create(Recipe())
    assert f"--resume --out {run.folder}" in told.value.hint
    assert run.recipe_path.read_bytes() == before


@pytest.mark.parametrize("below", ["file/run", "file"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"Cannot write to {tmp_path}/{below}"):
        Run(tmp_path / below).create(Recipe())


def test_a_folder_without_a_recipe_is_no_run(tmp_path):
    assert not Run(tmp_path).exists
    with pytest.raises(UsageError, match=r"no recipe\.toml") as told:
        Run(tmp_path).recipe_tables()
    assert told.value.hint == f"Train one: toolkit train --out {tmp_path}"


def test_the_latest_checkpoint_is_the_one_of_the_highest_step(run):
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        run.latest()
    for step in (9, 10, 2):
        save_checkpoint(checkpoint_path(run.checkpoints, step), PARTS, {})
    assert run.latest() == checkpoint_path(run.checkpoints, 10)


def test_the_log_is_rewound_to_a_step_and_torn_lines_are_dropped(run):
    for step in (1, 2, 3, 4):
        run.append_log({"step": step, "mse": 0.5})
    with run.log.open("a") as log:
        log.write('{"step": 2, "mse"')
    assert list(run.read_log()) == [(step, {"mse": 0.5}) for step in (1, 2, 3, 4)]
    run.rewind_logs(3)
    run.append_log({"step": 4, "mse": 0.25})
    records = [json.loads(line) for line in run.log.read_text().splitlines()]
    assert [record["step"] for record in records] == [1, 2, 3, 4]
    assert records[-1]["mse"] == 0.25


def test_rewinding_where_there_is_no_log_does_nothing(run):
    run.rewind_logs(0)
    assert not run.log.exists()
    assert list(run.read_log()) == []


def test_the_newest_run_is_that_of_the_newest_checkpoint(tmp_path):
    assert newest_run(tmp_path / "missing") is None
    for age, name in enumerate(["newer", "older"]):
        path = checkpoint_path(Run(tmp_path / name).checkpoints, 100 * (age + 1))
        save_checkpoint(path, PARTS, {})
        os.utime(path, (1000 - age, 1000 - age))
    (tmp_path / "empty").mkdir()
    assert newest_run(tmp_path).folder == tmp_path / "newer"


class Recorder:
    fingerprint = "f" * 64

    def load_state(self, state):
        self.loaded = state


@pytest.mark.parametrize("metadata", [{}, {"fingerprint": "0" * 64}])
def test_a_checkpoint_of_another_backbone_is_refused(tmp_path, metadata):
    path = checkpoint_path(tmp_path, 1)
    save_checkpoint(path, PARTS, metadata)
    generator = Recorder()
    with pytest.raises(CheckpointError, match="was trained on another backbone"):
        load_generator(generator, path)
    assert not hasattr(generator, "loaded")


def test_a_checkpoint_of_the_same_backbone_is_taken(tmp_path):
    path = checkpoint_path(tmp_path, 1)
    save_checkpoint(path, PARTS, {"fingerprint": Recorder.fingerprint})
    generator = Recorder()
    load_generator(generator, path)
    assert generator.loaded == {}


def test_restoring_needs_no_part_that_only_trained(tmp_path):
    run = Run(tmp_path)
    run.recipe_path.write_text('disc = "long-gone"\n[gen]\nuse = "one-step"\nlora_rank = 2\n')
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        run.restorer(installed())
