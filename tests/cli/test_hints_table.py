"""Advice that is no whole command: each mistake, the words of its panel, what they say to type.

`test_hints.py` has those that need more than words.
"""

import re
import shutil

import cv2
import numpy as np
import pytest

TABLE = """title = "T"
place = "P"
measures = "complexity"
protocol = "-"
better = {params_m = "lower"}
"""
SCORE = ["eval", "--sr", "photos", "--metric", "psnr-y"]
DEGRADE = ["degrade", "photo.png", "--variants", "1"]
RESTORE = ["restore", "photo.png", "--with", "bicubic"]


@pytest.fixture
def place(tmp_path, photo_folder, trained, monkeypatch):
    """A folder with photographs, pairs, a run, tables, and what does not fit."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "home"))
    shutil.copytree(photo_folder, "photos")
    shutil.copytree(photo_folder, "realset65")
    shutil.copytree(photo_folder, "made/lr")
    shutil.copyfile(min(photo_folder.iterdir()), "photo.png")
    shutil.copytree(trained, "run")
    shutil.copytree(trained, "full/run")
    for folder, side in {"camera/true": 64, "camera/seen": 16}.items():
        (tmp_path / folder).mkdir(parents=True)
        cv2.imwrite(f"{folder}/a.png", np.full((side, side, 3), 99, np.uint8))
    (tmp_path / "no.json").write_text("{}")
    (tmp_path / "file").touch()
    (tmp_path / "slip.toml").write_text(f'{TABLE}[[rows]]\nlabel = "a"\nrecipe = {{loss = "msee"}}')
    (tmp_path / "right.toml").write_text(
        f'{TABLE}[[rows]]\nlabel = "a"\nrecipe = {{restorer = "bicubic"}}'
    )
    return tmp_path


FOLLOWED = [
    # Evaluating.
    (SCORE, "Name their folder: --hr DIR", [*SCORE, "--hr", "photos"]),
    ([*SCORE[:3], "--metric", ""], "--metric psnr-y", [*SCORE, "--hr", "photos"]),
    # Restoring.
    ([*RESTORE, "--precision", "bfloat16"], "Leave it out", RESTORE),
    (["restore", "photo.png", "photos", "--with", "bicubic", "--out", "big.png"],
     "Name a folder: --out big", ["restore", "photo.png", "--with", "bicubic", "--out", "big"]),
    # Degrading.
    ([*DEGRADE, "--set", "loss.x=1"], "--set degradation.jpeg_range=[50,95]",
     [*DEGRADE, "--set", "degradation.jpeg_range=[50,95]"]),
    ([*DEGRADE, "--out", "file"], "Name another folder: --out DIR", [*DEGRADE, "--out", "other"]),
    (["degrade", "made/lr", "--variants", "1", "--out", "made"], "Name another folder: --out DIR",
     ["degrade", "made/lr", "--variants", "1", "--out", "other"]),
    # Exporting.
    (["export", "run", "--to", "merged", "--keys", "comfyui", "--out", "new"],
     "--to diffusers --keys comfyui",
     ["export", "run", "--to", "diffusers", "--keys", "comfyui", "--out", "new"]),
    (["export", "run", "--to", "merged", "--keys", "comfyui", "--out", "new"],
     "Omit --keys", ["export", "run", "--to", "merged", "--out", "new"]),
    (["export", "run", "--out", "full"], "Name another folder: --out DIR",
     ["export", "run", "--out", "new"]),
    # Tables.
    (["bench", "--table", "4711"], "--table my.toml", ["bench", "--table", "right.toml"]),
    (["bench", "--table", "4711"], "Tables: 1, 2, 3",
     ["bench", "--table", "3", "--only", "sinsr"]),
    (["bench", "--table", "3", "--only", "sins"], "sinsr",
     ["bench", "--table", "3", "--only", "sinsr"]),
    (["bench", "--table", "right.toml", "--out", "file"], "--out DIR",
     ["bench", "--table", "right.toml", "--out", "new"]),
    # Datasets.
    (["data", "check", "photos", "--as", "photos"], "Leave out --as", ["data", "check", "photos"]),
    (["data", "check", "gone"], "Name the folder", ["data", "check", "photos"]),
    # Training.
    (["train", "--resume"], "--resume --out DIR",
     ["train", "--resume", "--out", "run", "--steps", "3"]),
    (["train", "--resume", "--out", "run", "--config", "run/recipe.toml", "--steps", "3"],
     "Leave --config out", ["train", "--resume", "--out", "run", "--steps", "3"]),
]  # fmt: skip


@pytest.mark.parametrize("case", FOLLOWED, ids=lambda case: " ".join(case[0]))
def test_advice_is_followed(cli, mistake, place, case):
    wrong, words, right = case
    said = " ".join(mistake(*wrong).replace("│", " ").split())
    assert words in said
    result = cli(*right)
    assert result.code == 0, result


def test_without_niqe_originals_are_asked_for(cli, mistake, place, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("toolkit.registry.Registry.components", lambda *_: [])
        assert "Name their folder, --hr DIR, or a metric" in mistake(*SCORE[:3])
    assert cli(*SCORE[:3], "--hr", "photos").code == 0


def test_an_evaluation_is_written_for_the_next(cli, mistake, place):
    told = mistake(*SCORE, "--hr", "photos", "--against", "no.json")
    [command] = re.findall(r"toolkit (eval .*?) > FILE.json", told)
    written = cli(*command.replace("DIR", "photos").split())
    (place / "FILE.json").write_text(written.out)
    assert cli(*SCORE, "--hr", "photos", "--against", "FILE.json").code == 0
    unlike = [*SCORE[:3], "--hr", "photos", "--metric", "psnr", "--against", "FILE.json"]
    assert "leave --metric out" in mistake(*unlike)
    assert cli(*SCORE[:3], "--hr", "photos", "--against", "FILE.json").code == 0


def test_a_dataset_is_got_and_checked(cli, mistake, place):
    told = mistake("data", "where", "realset65")
    [command] = re.findall(r"toolkit (data check DIR --as \w+)", told)
    checked = cli(*command.replace("DIR", "realset65").split())
    assert "As realset65: 3 photographs" in checked.out
    assert "3 could be read, not 65" in checked.err


def test_a_name_that_no_dataset_has_is_listed(cli, mistake, place):
    told = mistake("data", "check", "photos", "--as", "folde")
    [command] = re.findall(r"toolkit (plugins list[ -a-z]*)", told)
    assert "folder" in cli(*command.split()).out


def test_a_row_with_a_slip_is_told_where_the_names_are(cli, place):
    result = cli("bench", "--table", "slip.toml", "--scale", "pocket")
    [command] = re.findall(r"toolkit (plugins list --kind \w+)", result.out)
    assert "mse" in cli(*command.split()).out


def test_what_cannot_be_exported_restores(cli, mistake, place, monkeypatch):
    monkeypatch.setattr("toolkit.exporting.weights.Exportable", type("Another", (), {}))
    told = mistake("export", "run", "--out", "new")
    [command] = re.findall(r"toolkit (restore photo.jpg --with \S+)", told)
    assert cli(*command.replace("photo.jpg", "photo.png").split()).code == 0


def test_a_result_that_is_kept_is_overwritten_on_request(cli, place):
    assert cli(*RESTORE).code == 0
    kept = cli(*RESTORE)
    [option] = re.findall(r"To restore it again: (--existing \w+)", kept.out + kept.err)
    assert "kept" not in cli(*RESTORE, *option.split()).out


def test_recorded_pairs_in_two_folders_are_named(cli, mistake, smallest, place):
    arguments = [*smallest, "--degradation", "recorded", "--steps", "1", "--out", "new"]
    arguments[1] = "pairs:camera"
    told = mistake("train", *arguments, "--set", "train.crop=32")
    assert "--set data.hr=DIR --set data.lr=DIR" in told
    named = "--set", "data.hr=camera/true", "--set", "data.lr=camera/seen"
    arguments[1] = "pairs"
    assert cli("train", *arguments, *named).code == 0
