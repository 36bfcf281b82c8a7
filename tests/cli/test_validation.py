"""Validation as the command tells of it: scores, the best step, and the early end."""

import json
import shlex

import pytest

from toolkit.checkpoints import checkpoints


@pytest.fixture
def validating(smallest, photo_folder):
    """Options of a training at a rate that improves nothing."""
    return (
        *smallest, "--set", "train.validate_every=1", "--set", "train.validate_metrics=psnr-y,psnr",
        "--set", f"train.validate_on={photo_folder}", "--set", "train.validate_crop=64",
        "--set", "train.lr=1e-30",
    )  # fmt: skip


def test_it_ends_early_with_exit_code_0_and_says_how_to_go_on(cli, validating, tmp_path):
    run = tmp_path / "my run"
    options = ("--set", "train.patience=2", "--steps", 50, "--out", run)
    result = cli("train", *validating, *options)
    assert result.code == 0, result.err
    done, on, use, best = result.out.splitlines()
    assert done == f"Trained 3 steps: validation no longer improves; the run is in {run}."
    assert best.startswith("Or the best by validation, step 1:  --with ")
    assert use == f"Use it:  toolkit restore PHOTO.jpg --with '{run}'"
    assert result.err.count("  Validation: psnr-y ") == 3
    again = cli("train", "--resume", "--out", run, "--format", "json")
    assert again.code == 0, again.err
    document = again.document
    assert (document["early"], document["stopped"], document["step"]) == (True, False, 3)
    assert document["best"] == 1
    assert on.startswith("Train on:  toolkit train --resume --out ")
    command = shlex.split(on.partition("toolkit ")[2])
    further = cli(*command, "--steps", 4, "--format", "json")
    assert further.code == 0, further.err
    assert (further.document["step"], further.document["early"]) == (4, False)
    lines = (run / "logs/validation.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]
    assert json.loads(lines[0]).keys() == {"step", "psnr-y", "psnr"}


def test_a_run_that_does_not_validate_tells_of_no_best(trained, cli):
    result = cli("train", "--resume", "--out", trained)
    assert "best" not in result.out
    assert not (trained / "checkpoints/best.safetensors").exists()
    document = cli("train", "--resume", "--out", trained, "--format", "json").document
    assert (document["best"], document["early"]) == (None, False)
    assert checkpoints(trained / "checkpoints")


@pytest.mark.parametrize(
    ("wrong", "told", "right"),
    [
        ("validate_metrics=psnrr", "There is no metric named 'psnrr'", "validate_metrics=psnr"),
        ("validate_on=photoz", "There is no dataset named 'photoz'", "validate_on=photos:heldout"),
        ("validate_crop=4096", "Validation: ", "validate_crop=64"),
    ],
)
def test_a_mistake_is_told_before_training(cli, mistake, validating, tmp_path, wrong, told, right):
    options = ("--steps", 1, "--out", tmp_path / "run")
    assert told in mistake("train", *validating, "--set", f"train.{wrong}", *options)
    assert not (tmp_path / "run").exists()
    assert cli("train", *validating, "--set", f"train.{right}", *options).code == 0
