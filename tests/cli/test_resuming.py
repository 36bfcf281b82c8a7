"""Going on with a run: from any folder, with moved photographs, and never unseen with others."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from math import nan

import pytest

from toolkit import provenance
from toolkit.training import loop
from toolkit.training.watch import Figures, NotFiniteError


@pytest.fixture
def place(tmp_path, photo_folder, monkeypatch):
    """A folder to work in, with photographs in a folder of their own."""
    (tmp_path / "w").mkdir()
    shutil.copytree(photo_folder, tmp_path / "w" / "photos")
    monkeypatch.chdir(tmp_path / "w")
    return tmp_path


def options(smallest, *data):
    return (*data, *smallest[2:])


@pytest.mark.parametrize("data", [("--data", "photos"), ("--set", "data.folder=photos")])
def test_a_run_is_resumed_from_anywhere(cli, smallest, place, monkeypatch, data):
    if data[0] == "--set":
        data = ("--data", "folder:photos", *data)
    made = cli("train", *options(smallest, *data), "--steps", 1, "--out", "../run")
    assert made.code == 0, made.err
    monkeypatch.chdir(place)
    assert cli("train", "--resume", "--out", "run", "--steps", 2).code == 0


def test_recorded_pairs_are_found_from_anywhere(cli, smallest, place, monkeypatch):
    for side in ("HR", "LR"):
        shutil.copytree("photos", f"pairs/{side}")
    arguments = options(smallest, "--data", "pairs:pairs", "--degradation", "bicubic")
    assert cli("train", *arguments, "--steps", 1, "--out", "../run").code == 0
    shutil.move("pairs", "../elsewhere")
    monkeypatch.chdir(place)
    resume = "train", "--resume", "--out", "run", "--steps", 2
    assert "--data DIR" in cli(*resume).err
    assert cli(*resume, "--data", "elsewhere").code == 0


def test_moved_photographs_are_the_same(cli, smallest, place):
    arguments = options(smallest, "--data", "photos")
    assert cli("train", *arguments, "--steps", 1, "--out", "run").code == 0
    shutil.move("photos", "moved")
    resume = "train", "--resume", "--out", "run", "--steps", 2
    gone = cli(*resume)
    assert gone.code == 2
    assert "--data DIR" in gone.err
    assert cli(*resume, "--data", "moved").code == 0


def test_another_kind_of_data_is_another_run(cli, trained, place):
    shutil.copytree(trained, "run")
    recipe = place / "w" / "run" / "recipe.toml"
    text = recipe.read_text()
    start, end = text.index("[data]"), text.index("[objective]")
    recipe.write_text(text[:start] + '[data]\nuse = "photos"\nsplit = "train"\n\n' + text[end:])
    told = cli("train", "--resume", "--out", "run", "--data", "photos/", "--steps", 3)
    assert told.code == 2
    assert "was trained with another data" in told.err


@pytest.mark.parametrize("how", ["rewritten", "renamed", "added"])
def test_other_photographs_want_a_yes(cli, smallest, place, how):
    arguments = options(smallest, "--data", "photos")
    assert cli("train", *arguments, "--steps", 1, "--out", "run").code == 0
    first, second, *_ = sorted((place / "w" / "photos").iterdir())
    if how == "rewritten":
        shutil.copyfile(second, first)
    elif how == "renamed":
        first.rename(first.with_name("new.png"))
    else:
        shutil.copyfile(first, first.with_name("new.png"))
    resume = "train", "--resume", "--out", "run", "--steps", 2
    told = cli(*resume)
    assert told.code == 2
    assert "files to train on" in told.err
    assert {"rewritten": "(another)", "renamed": "(gone)", "added": "(new)"}[how] in told.err
    assert len(list((place / "w" / "run" / "checkpoints").iterdir())) == 1
    assert cli(*resume, "--accept-changes").code == 0
    assert cli("train", "--resume", "--out", "run", "--steps", 3).code == 0  # and no more asking


def test_other_code_wants_a_yes(cli, smallest, place, monkeypatch):
    arguments = options(smallest, "--data", "photos")
    assert cli("train", *arguments, "--steps", 1, "--out", "run").code == 0
    digest = provenance._digest
    rewritten = "restoration-toolkit-generators"
    monkeypatch.setattr(
        provenance,
        "_digest",
        lambda name: ("0.1.0", "other") if name == rewritten else digest(name),
    )
    resume = "train", "--resume", "--out", "run", "--steps", 2
    told = cli(*resume)
    assert told.code == 2
    assert f"{rewritten} (its code)" in told.err
    accepted = cli(*resume, "--accept-changes")
    assert accepted.code == 0
    assert f"Notice: run was trained with something else: {rewritten}" in accepted.err


def test_a_run_whose_plugin_is_gone_names_it(cli, smallest, place, trained):
    shutil.copytree(trained, "run")
    recipe = place / "w" / "run" / "recipe.toml"
    text = recipe.read_text().replace('use = "one-step"', 'use = "two-step"')
    text += '\n[provenance.my-plugin]\nversion = "1.2"\nsupplies = ["generator/two-step"]\n'
    recipe.write_text(text)
    for command in (
        ("train", "--resume", "--out", "run"),
        ("restore", min((place / "w" / "photos").iterdir()), "--with", "run"),
    ):
        told = cli(*command)
        assert told.code == 2
        assert "which came with my-plugin==1.2" in told.err
        assert "pip install my-plugin==1.2" in told.err


def test_a_recipe_may_begin_with_a_mark_of_its_encoding(cli, trained, place):
    text = (trained / "recipe.toml").read_bytes()
    (place / "bom.toml").write_bytes(b"\xef\xbb\xbf" + text)
    assert cli("train", "--config", place / "bom.toml", "--dry-run").code == 0


@pytest.mark.parametrize("checkpoint_every", [1, 100])
def test_what_is_advised_after_nan_works(cli, smallest, place, monkeypatch, checkpoint_every):
    step = loop.train_step

    def poisoned(system, batch, number, phase):
        if number == 1:
            raise NotFiniteError("The loss 'mse' is not finite.", Figures({"mse": nan}, {}))
        return step(system, batch, number, phase)

    monkeypatch.setattr(loop, "train_step", poisoned)
    every = ("--set", f"train.checkpoint_every={checkpoint_every}")
    arguments = options(smallest, "--data", "photos")
    told = cli("train", *arguments, *every, "--steps", 2, "--out", "my run")
    assert told.code == 1
    assert ("from its last checkpoint" in told.err) == (checkpoint_every == 1)
    monkeypatch.setattr(loop, "train_step", step)
    replay, slower, skipping = re.findall(r"(toolkit train [^\n│]*)", told.err)
    for command in (replay, slower, skipping):
        assert cli(*shlex.split(command)[1:]).code == 0
    for name in ("my run", "my run-2"):
        assert (place / "w" / name / "checkpoints" / "step-0000002.safetensors").exists()


@pytest.mark.parametrize(
    ("side", "advised"), [(48, "train.crop=48"), (40, "train.crop=32"), (8, "")]
)
def test_a_smaller_crop_is_one_that_fits(cli, smallest, place, side, advised):
    import cv2

    (place / "small").mkdir()
    for path in (place / "w" / "photos").iterdir():
        cv2.imwrite(str(place / "small" / path.name), cv2.imread(str(path))[:side, :side])
    arguments = options(smallest, "--data", place / "small")
    told = cli("train", *arguments, "--set", "train.crop=64", "--steps", 1, "--out", "run")
    assert told.code == 2
    if not advised:
        assert "--set" not in told.err
        return
    assert advised in told.err
    assert cli("train", *arguments, "--set", advised, "--steps", 1, "--out", "run").code == 0


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP here")
def test_a_closed_terminal_saves(smallest, place):
    import pty

    ours, theirs = pty.openpty()
    command = [
        sys.executable, "-m", "toolkit", "train", *map(str, options(smallest, "--data", "photos")),
        "--steps", "100000", "--set", "train.checkpoint_every=100000", "--out", "run",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    log = place / "w" / "run" / "logs" / "train.jsonl"
    for _ in range(600):
        if log.exists() and len(log.read_text().splitlines()) > 2:
            break
        time.sleep(0.1)
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 130
    [saved] = (place / "w" / "run" / "checkpoints").iterdir()
    last = json.loads(log.read_text().splitlines()[-1])["step"]
    assert saved.name == f"step-{last:07d}.safetensors"
