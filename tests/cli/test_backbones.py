"""Backbones that cannot be had, or are not those of a run, by the command line."""

import shutil

import cv2
import pytest
import tomli_w
import torch
from safetensors.torch import save_file

from toolkit.recipe import read_recipe


@pytest.fixture
def refuse(mistake, smallest, tmp_path):
    """What `toolkit train` says to a backbone; it leaves no run behind."""

    def call(named, *arguments, code=1):
        out = tmp_path / "run"
        arguments = (*smallest, "--backbone", named, *arguments)
        told = mistake("train", *arguments, "--steps", 1, "--out", out, code=code)
        assert not list(out.rglob("*.safetensors"))
        return told

    return call


@pytest.fixture
def altered(trained, tmp_path):
    """The trained run with other options in its recipe."""

    def alter(**options):
        folder = shutil.copytree(trained, tmp_path / "altered")
        recipe = read_recipe(folder / "recipe.toml")
        for slot, changes in options.items():
            recipe[slot] |= changes
        (folder / "recipe.toml").write_text(tomli_w.dumps(recipe))
        return folder

    return alter


@pytest.mark.parametrize("name", ["sd21", "sdxl"])
def test_a_folder_that_is_not_there(refuse, name):
    told = refuse(f"{name}:/no/such/folder")
    assert "There is no folder or file '/no/such/folder'" in told
    assert f"{name}:OWNER/NAME" in told


def test_an_empty_folder(refuse, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "with vae and unet" in refuse(f"sd21:{tmp_path / 'empty'}")
    assert "with vae and unet" in refuse(f"pocket:{tmp_path / 'empty'}")


@pytest.mark.parametrize("kept", [0, 20, 150, 1000])
def test_a_file_that_ends_early(refuse, tmp_path, kept):
    path = tmp_path / "model.safetensors"
    names = ("model.diffusion_model.out.2.bias", "first_stage_model.encoder.conv_in.bias")
    save_file({name: torch.ones(400) for name in names}, path)
    path.write_bytes(path.read_bytes()[:kept])
    assert f"{path} is damaged" in refuse(f"sd21:{path}")


def test_a_file_of_something_else(refuse, tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"lora.up.weight": torch.ones(3)}, path)
    assert f"{path} lacks first_stage_model." in refuse(f"sd21:{path}")


def test_a_file_that_may_run_code(refuse, tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x02}q\x00.")
    assert "is not a plain file of tensors" in refuse(f"sd21:{tmp_path / 'model.ckpt'}")


def test_published_weights_without_a_network(refuse, toolkit_home, monkeypatch):
    def fail(self, host, port):
        self._failures[host, port] = "no network"

    monkeypatch.setattr("toolkit.weights.network.Probes._connect", fail)
    told = refuse("sd21")
    assert "sd21-vae.safetensors (335 MB, CreativeML-OpenRAIL++-M) is not" in told
    assert "toolkit weights fetch sd21-vae.safetensors --from FILE" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["gen.lora_layers=nope"], "has no list of LoRA layers named 'nope'"),
        (["gen.lora_layers=dfosb"], "Did you mean 'dfosd'?"),
        (["backbone.precision=float64"], "'precision' is 'float64'"),
        (["backbone.checkpointing=perhaps"], "'checkpointing' is 'perhaps'"),
        (["backbone.folder=runs/pocket"], "'folder'"),
    ],
)
def test_options_that_there_are_not(refuse, arguments, told):
    overrides = [part for each in arguments for part in ("--set", each)]
    assert told in refuse("pocket", *overrides, code=2)


def test_a_rank_that_is_not_the_runs(mistake, altered, photo):
    folder = altered(gen={"lora_rank": 3})
    told = mistake("restore", photo, "--with", folder, code=1)
    assert "is (3, " in told
    assert "(2, " in told
    assert "trained with other options" in told


def test_layers_that_are_not_the_runs(mistake, altered, photo):
    folder = altered(gen={"lora_layers": "osediff"})
    told = mistake("restore", photo, "--with", folder, code=1)
    assert "conv_in.lora_A.weight" in told
    assert "trained with other options" in told


def test_a_backbone_that_is_not_the_runs(mistake, altered, photo):
    folder = altered(gen={"backbone": {"use": "sd21", "weights": "tiny"}})
    told = mistake("restore", photo, "--with", folder, code=1)
    assert "was trained on another backbone" in told


def test_a_backbone_whose_files_are_gone(mistake, altered, photo):
    folder = altered(gen={"backbone": {"use": "sd21", "weights": "/no/such/folder"}})
    told = mistake("restore", photo, "--with", folder, code=1)
    assert "/no/such/folder" in told


def test_a_run_on_a_narrow_stable_diffusion(cli, smallest, photo, tmp_path):
    where = tmp_path / "run"
    options = ("--backbone", "sd21:tiny", "--set", "backbone.precision=bfloat16")
    options += ("--set", "backbone.checkpointing=true", "--set", "train.crop=64")
    trained = cli("train", *smallest, *options, "--steps", 1, "--out", where)
    assert trained.code == 0, trained.err
    restored = cli("restore", photo, "--with", where)
    assert restored.code == 0, restored.err
    assert cv2.imread(str(photo.with_name("photo_x4.png"))).shape == (80, 96, 3)
