"""`toolkit data`: what there is, where it comes from, what is wrong with a copy."""

import json

import numpy as np
import pytest
from PIL import Image


def image(path, side):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((side, side, 3), 90, np.uint8)).save(path)


@pytest.fixture
def pairs(tmp_path):
    """Three pairs."""
    for name in "abc":
        image(tmp_path / "pairs" / "HR" / f"{name}.png", 64)
        image(tmp_path / "pairs" / "LR" / f"{name}.png", 16)
    return tmp_path / "pairs"


def test_every_dataset_is_listed_with_its_home(cli):
    found = cli("data", "list", "--format", "json").document["datasets"]
    names = {each["name"]: each for each in found}
    assert {"photos", "folder", "realsr", "drealsr", "realset65", "lsdir", "ffhq10k"} <= set(names)
    assert "github.com/csjcai/RealSR" in names["realsr"]["origin"]
    assert names["photos"]["origin"] == ""
    assert "realset65" in cli("data", "list").out


def test_what_may_not_be_passed_on_is_not_fetched(cli, mistake):
    error = mistake("data", "where", "realsr")
    assert "github.com/csjcai/RealSR" in error
    assert "toolkit data check DIR --as realsr" in error
    assert "it comes with restoration-toolkit-photos" in cli("data", "where", "photos").err


def test_a_folder_of_pairs_is_checked_as_pairs(cli, pairs):
    result = cli("data", "check", pairs)
    assert result.code == 0
    assert "As pairs: 3 pairs, 64 x 64 to 64 x 64 px." in result.out
    found = cli("data", "check", pairs, "--format", "json").document
    assert (found["count"], found["pairs"], found["faults"]) == (3, 3, [])


def test_all_that_is_wrong_is_listed_and_the_rest_is_read(cli, pairs):
    (pairs / "LR" / "a.png").unlink()
    image(pairs / "LR" / "b.png", 32)
    (pairs / "HR" / "d.png").write_text("no image")
    result = cli("data", "check", pairs, "--format", "json")
    assert result.code == 1
    told = {each["file"]: each["reason"] for each in json.loads(result.out)["faults"]}
    assert "no LR image has its name" in told["HR/a.png"]
    assert told["HR/b.png"] == "HR is 2 times as large as LR, not 4 times"
    assert told["HR/d.png"] == "damaged or not an image"
    assert result.document["count"] == 2


def test_a_folder_with_a_datasets_name_is_checked_as_that(cli, tmp_path):
    image(tmp_path / "realset65" / "a.png", 32)
    result = cli("data", "check", tmp_path / "realset65")
    assert result.code == 1
    assert "As realset65: 1 photographs, 32 x 32 to 32 x 32 px." in result.out
    assert "realset65: 1 could be read, not 65" in result.err


def test_pairs_of_ones_own_in_a_folder_with_a_datasets_name_are_checked(cli, mistake, pairs):
    own = pairs.rename(pairs.with_name("realsr"))
    assert "--as pairs, or --as folder" in mistake("data", "check", own)
    assert cli("data", "check", own, "--as", "pairs").code == 0
    assert cli("data", "check", own, "--as", "folder").code == 0


def test_a_folder_of_photographs_is_checked_as_such(cli, photo_folder):
    result = cli("data", "check", photo_folder)
    assert result.code == 0
    assert "As folder: 3 photographs" in result.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "There is no folder nowhere"),
        ([".", "--as", "lsdri"], "Did you mean 'lsdir'"),
        ([".", "--as", "photos"], "is not in a folder of yours"),
        ([".", "--as", "realsr"], "lacks the folder Canon/Test/4 of realsr"),
        (["."], "There is no image"),
    ],
)
def test_a_mistake_is_named(mistake, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    assert told in mistake("data", "check", *arguments)
