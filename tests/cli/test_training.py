"""`toolkit train`, really training: the smallest run, stopping it, and going on exactly."""

import errno
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib

import cv2
import pytest
import torch
from safetensors.torch import load

from toolkit.checkpoints import read_metadata


def tensors(folder, step):
    return load((folder / "checkpoints" / f"step-{step:07d}.safetensors").read_bytes())


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def log(folder):
    return [json.loads(line) for line in (folder / "logs/train.jsonl").read_text().splitlines()]


def test_the_smallest_run(cli, smallest, trained):
    assert [path.name for path in (trained / "checkpoints").iterdir()] == [
        "step-0000002.safetensors"
    ]
    assert [record["step"] for record in log(trained)] == [1, 2]
    assert tomllib.loads((trained / "recipe.toml").read_text())["train"]["steps"] == 2
    assert read_metadata(trained / "checkpoints/step-0000002.safetensors")["step"] == "2"


def test_its_recipe_repeats_it(cli, trained, tmp_path):
    arguments = "--config", trained / "recipe.toml", "--out", tmp_path / "again"
    result = cli("train", *arguments, "--format", "json")
    assert result.code == 0
    document = result.document
    assert (document["step"], document["steps"], document["stopped"]) == (2, 2, False)
    assert document["checkpoint"] == str(tmp_path / "again/checkpoints/step-0000002.safetensors")
    assert_same(tensors(trained, 2), tensors(tmp_path / "again", 2))


def test_another_seed_is_another_run(cli, trained, tmp_path):
    cli("train", "--config", trained / "recipe.toml", "--seed", 1, "--out", tmp_path / "other")
    first, other = tensors(trained, 2), tensors(tmp_path / "other", 2)
    assert not torch.equal(first["generator/text"], other["generator/text"])


def test_a_resumed_run_ends_as_one_that_never_stopped(cli, smallest, tmp_path):
    options = (*smallest, "--disc", "nad", "--set", "train.sample_every=2")
    assert cli("train", *options, "--steps", 3, "--out", tmp_path / "whole").code == 0
    assert cli("train", *options, "--steps", 1, "--out", tmp_path / "parts").code == 0
    assert cli("train", "--resume", "--steps", 3, "--out", tmp_path / "parts").code == 0
    assert_same(tensors(tmp_path / "whole", 3), tensors(tmp_path / "parts", 3))
    assert log(tmp_path / "whole") == log(tmp_path / "parts")
    samples = [tmp_path / name / "samples/step-0000003.png" for name in ("whole", "parts")]
    assert samples[0].read_bytes() == samples[1].read_bytes()


def test_resuming_a_finished_run_changes_nothing(cli, trained):
    (trained / "run.html").write_text("what was written when it ended, with the time")
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    result = cli("train", "--resume", "--out", trained, "--steps", 1)
    assert result.code == 0
    assert "Trained 2 steps" in result.out
    assert {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()} == before


def test_images_that_cannot_be_used_are_named_and_the_rest_trained_on(
    cli, smallest, photo_folder, tmp_path
):
    first, *others = sorted(photo_folder.iterdir())
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / first.name).write_bytes(first.read_bytes())
    (tmp_path / "mixed" / "torn.png").write_bytes(others[0].read_bytes()[:100])
    (tmp_path / "mixed" / "none.jpg").write_text("none")
    result = cli(
        "train", *smallest, "--data", tmp_path / "mixed", "--steps", 2, "--set", "train.batch=2",
        "--out", tmp_path / "run", "--format", "json",
    )  # fmt: skip
    assert result.code == 0
    assert "2 images were skipped" in result.err
    assert len(result.document["skipped"]) == 2


@pytest.fixture
def recorded(tmp_path, photo_folder):
    """Pairs whose LR is HR upside down, as no degradation would make it; one is too small."""
    for name in ("HR", "LR"):
        (tmp_path / "pairs" / name).mkdir(parents=True)
    for path in photo_folder.iterdir():
        hr = cv2.imread(str(path))
        assert cv2.imwrite(str(tmp_path / "pairs/HR" / path.name), hr)
        lr = cv2.resize(hr[::-1], (24, 20), interpolation=cv2.INTER_AREA)
        assert cv2.imwrite(str(tmp_path / "pairs/LR" / path.name), lr)
    assert cv2.imwrite(str(tmp_path / "pairs/HR/less.png"), hr[:8, :8])
    assert cv2.imwrite(str(tmp_path / "pairs/LR/less.png"), lr[:2, :2])
    return f"pairs:{tmp_path / 'pairs'}"


def test_recorded_pairs_are_trained_on_as_they_are(cli, smallest, recorded, tmp_path):
    def run(name, *arguments):
        options = ("--data", recorded, "--steps", 1, "--set", "train.batch=4", *arguments)
        result = cli("train", *smallest, *options, "--out", tmp_path / name, "--format", "json")
        assert result.code == 0, result.err
        return result.document

    document = run("recorded", "--degradation", "recorded")
    [skipped] = document["skipped"]
    assert "less.png" in str(skipped)
    assert "8x8 px is smaller than a crop of 32 px" in str(skipped)
    recipe = tomllib.loads((tmp_path / "recorded/recipe.toml").read_text())
    assert recipe["degradation"]["use"] == "recorded"
    run("made", "--degradation", "bicubic")
    assert log(tmp_path / "recorded") != log(tmp_path / "made")


def test_recorded_needs_pairs(mistake, smallest, tmp_path):
    told = mistake("train", *smallest, "--degradation", "recorded", "--out", tmp_path / "run")
    assert "it has no recorded LR image" in told
    assert "--data pairs:DIR" in told
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_go_on(cli, smallest, tmp_path):
    folder = tmp_path / "run"
    arguments = ["train", *map(str, smallest), "--steps", "100000", "--out", str(folder)]
    command = [sys.executable, "-c", "from toolkit.cli import main; main()", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if line.startswith("step 1/"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert f"Resume:  toolkit train --resume --out {folder}" in out
    stopped = int(re.search(r"Stopped after step (\d+) of 100000, and saved", out)[1])
    assert read_metadata(folder / f"checkpoints/step-{stopped:07d}.safetensors")
    resumed = cli("train", "--resume", "--out", folder, "--steps", stopped + 1)
    assert resumed.code == 0
    assert [record["step"] for record in log(folder)] == list(range(1, stopped + 2))


def test_a_torn_checkpoint_is_told_and_the_one_before_it_goes_on(cli, smallest, tmp_path, caplog):
    options = ("--set", "train.checkpoint_every=1", "--steps", 2, "--out", tmp_path / "run")
    assert cli("train", *smallest, *options).code == 0
    newest = tmp_path / "run/checkpoints/step-0000002.safetensors"
    good = tensors(tmp_path / "run", 2)
    newest.write_bytes(newest.read_bytes()[:1000])
    assert cli("train", "--resume", "--out", tmp_path / "run").code == 0
    [notice] = [message for message in caplog.messages if message.startswith("Notice:")]
    assert f"{newest} is damaged" in notice
    assert "It was renamed to step-0000002.safetensors.damaged." in notice
    assert_same(good, tensors(tmp_path / "run", 2))
    assert [record["step"] for record in log(tmp_path / "run")] == [1, 2]


def test_what_is_advised_where_all_checkpoints_are_damaged_works(cli, mistake, trained, tmp_path):
    folder = tmp_path / "my run"
    shutil.copytree(trained, folder)
    (folder / "checkpoints/step-0000002.safetensors").write_bytes(b"")
    for _ in range(2):
        told = mistake("train", "--resume", "--out", folder, code=1)
        assert "are damaged" in told
        assert [record["step"] for record in log(folder)] == [1, 2]
    [command] = re.findall(r"(toolkit train --config [^\n│]*) --out DIR", told)
    again = cli(*shlex.split(command)[1:], "--out", tmp_path / "again")
    assert again.code == 0, again.err
    assert_same(tensors(trained, 2), tensors(tmp_path / "again", 2))


def test_what_is_advised_after_a_full_disk_works(cli, mistake, smallest, tmp_path, monkeypatch):
    folder = tmp_path / "my run"
    options = (*smallest, "--set", "train.checkpoint_every=1", "--steps", 2)

    assert cli("train", *options, "--out", tmp_path / "whole").code == 0
    assert cli("train", *options, "--steps", 1, "--out", folder).code == 0
    with monkeypatch.context() as patch:
        sync = os.fsync

        def full(descriptor):
            if list((folder / "checkpoints").glob("*.part")):
                raise OSError(errno.ENOSPC, "No space left on device")
            sync(descriptor)

        patch.setattr(os, "fsync", full)
        told = mistake("train", "--resume", "--out", folder, "--steps", 2, code=1)
    assert "No space left on device. The checkpoints up to step-0000001.safetensors are" in told
    [command] = re.findall(r"(toolkit train --resume [^\n│]*)", told)
    assert cli(*shlex.split(command)[1:]).code == 0
    assert_same(tensors(tmp_path / "whole", 2), tensors(folder, 2))
    assert log(tmp_path / "whole") == log(folder)
