"""`toolkit train`: what it refuses, and what it plans, before any training."""

import tomllib

import pytest
import torch

from toolkit.component import Component, Options
from toolkit.discovery import installed
from toolkit.recipe import Training, resolve
from toolkit.runs import run_named
from toolkit.specs import Selection
from toolkit.training import loop


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--disc", "nat"], "Did you mean 'nad'?"),
        (["--loss", "ea-dist"], "Did you mean 'ea-dists'?"),
        (["--backbone", "poket"], "Did you mean 'pocket'?"),
        (["--data", "photo"], "Did you mean 'photos'?"),
        (["--loss", "mse:vgg"], "has no variants"),
        (["--disc", "nad", "--set", "disc.lora_rnak=3"], "did you mean 'lora_rank'?"),
        (["--disc", "nad", "--set", "disc.lora_rank=big"], "'lora_rank' is 'big'"),
        (["--set", "dics.lora_rank=3"], "Did you mean 'disc'?"),
        (["--set", "train.lr=-1"], "'train.lr' is -1"),
        (["--set", "train.lr"], "expected SLOT.OPTION=VALUE"),
        (["--steps", "0"], "'train.steps' is 0"),
        (["--config", "missing.toml"], "missing.toml"),
        (["--set", "train.device=warp"], "no device 'warp'"),
        (["--set", "train.crop=33"], "no multiple of the scale"),
        (["--start", "nowhere"], "nowhere holds no run"),
    ],
)
def test_a_mistake_is_named_with_what_to_type(mistake, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    assert told in mistake("train", "--loss", "mse", *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def broken_photos(tmp_path):
    """A folder of files that are called images, and are none."""
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("not a photograph")
    return folder


@pytest.fixture
def torn_photos(tmp_path, photo_folder):
    """A folder of images that begin well and end early."""
    folder = tmp_path / "torn"
    folder.mkdir()
    for path in photo_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes()[:200])
    return folder


def test_an_empty_folder_is_told(mistake, smallest, tmp_path):
    (tmp_path / "empty").mkdir()
    told = mistake("train", *smallest, "--data", tmp_path / "empty", "--out", tmp_path / "run")
    assert f"There is no image in {tmp_path / 'empty'}" in told
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_not_there_is_told(mistake, smallest, tmp_path):
    told = mistake("train", *smallest, "--data", tmp_path / "away", "--out", tmp_path / "run")
    assert f"There is no folder {tmp_path / 'away'}" in told


@pytest.mark.parametrize("photos", ["broken_photos", "torn_photos"])
def test_a_folder_without_one_good_image_is_told(mistake, smallest, tmp_path, request, photos):
    folder = request.getfixturevalue(photos)
    told = mistake("train", *smallest, "--data", folder, "--out", tmp_path / "run")
    assert str(folder) in told
    assert not (tmp_path / "run").exists()


def test_images_smaller_than_a_crop_are_told(mistake, smallest, photo_folder, tmp_path):
    told = mistake("train", *smallest, "--set", "train.crop=128", "--out", tmp_path / "run")
    assert "96x80 px is smaller than a crop of 128 px" in told
    assert "--set train.crop=64" in told


@pytest.mark.parametrize("below", ["file", "file/run"])
def test_a_place_that_cannot_be_written_is_told(mistake, smallest, tmp_path, below):
    (tmp_path / "file").touch()
    told = mistake("train", *smallest, "--out", tmp_path / below)
    assert f"Cannot write to {tmp_path / below}" in told
    assert "--out DIR" in told


def test_resuming_needs_a_run(mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "holds no run" in mistake("train", "--resume", "--out", tmp_path / "none")
    assert "no run below runs/" in mistake("train", "--resume")


def test_a_run_is_never_overwritten(mistake, smallest, trained):
    told = mistake("train", *smallest, "--steps", 2, "--out", trained)
    assert f"{trained} already holds a run" in told
    assert f"toolkit train --resume --out {trained}" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "train.batch=2"], "another train.batch"),
        (["--disc", "nad"], "another disc"),
        (["--set", "backbone.weights=/elsewhere"], "another backbone.weights"),
        (["--config", "other.toml"], "Leave --config out"),
    ],
)
def test_resuming_changes_nothing_of_a_run(mistake, trained, arguments, told):
    assert told in mistake("train", "--resume", "--out", trained, *arguments)


def test_a_dry_run_prints_the_full_recipe_and_writes_nothing(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["train", "--disc", "nad", "--set", "disc.lora_rank=3", "--dry-run"]
    as_toml, as_json = cli(*arguments), cli(*arguments, "--format", "json")
    assert (as_toml.code, as_json.code, as_toml.err, as_json.err) == (0, 0, "", "")
    assert tomllib.loads(as_toml.out) == as_json.document
    assert as_json.document["disc"]["lora_rank"] == 3
    printed = resolve(as_json.document, installed())
    assert printed == resolve({"disc": {"use": "nad", "lora_rank": 3}}, installed())
    assert list(tmp_path.iterdir()) == []


def test_a_printed_recipe_can_be_fed_back(cli, tmp_path):
    first = cli("train", "--loss", "mse", "--seed", 7, "--dry-run").out
    (tmp_path / "mine.toml").write_text(first)
    assert cli("train", "--config", tmp_path / "mine.toml", "--dry-run").out == first


def test_a_dry_run_beside_a_run_is_allowed(cli, smallest, trained):
    assert cli("train", *smallest, "--out", trained, "--dry-run").code == 0


def test_what_begins_with_another_generator_has_its_options(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = tomllib.loads(cli("train", "--start", "pocket", "--loss", "mse", "--dry-run").out)
    shipped = run_named("pocket", installed()).recipe()
    assert made["train"]["start"] == "pocket"
    assert made["gen"]["lora_rank"] == shipped.gen.options["lora_rank"]
    assert made["train"]["steps"] == Training().steps


class OnABackbone(Options):
    backbone: Selection | None = None


@pytest.mark.parametrize(("options", "told"), [(OnABackbone, " on pocket"), (Options, "")])
def test_a_generator_is_announced_on_a_backbone_only_if_it_takes_one(
    monkeypatch, capsys, tmp_path, options, told
):
    from toolkit.cli import train as command
    from toolkit.recipe import Recipe
    from toolkit.registry import Registry
    from toolkit.runs import Run

    monkeypatch.setattr("toolkit.training.loop.train", lambda *_, **__: None)
    registry = Registry()
    mine = Component(kind="generator", name="mine", summary="", build=dict, options=options)
    registry.add("someone", [mine])
    recipe = Recipe(gen=Selection(use="mine"))
    command._train(Run(tmp_path), recipe, registry, accept=False)
    assert f"Training mine{told} against nad" in capsys.readouterr().err


def test_memory_that_does_not_suffice_is_told(mistake, smallest, tmp_path, monkeypatch):
    def exhausted(*_arguments, **_options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.\nMore.")

    monkeypatch.setattr(loop, "train_step", exhausted)
    told = mistake("train", *smallest, "--steps", 1, "--out", tmp_path / "run", code=1)
    assert "Memory does not suffice: CUDA out of memory. Tried to allocate 20 GiB." in told
    assert "toolkit train --plan --memory 24GB" in " ".join(told.replace("│", " ").split())
