"""What ships is checked by SHA-256, and is what `toolkit restore` uses."""

import shutil

import pytest
import torch

import toolkit
from toolkit.degrading.samples import degrade
from toolkit.errors import WeightsError
from toolkit_backbones import shipped
from toolkit_backbones.plugin import POCKET


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(POCKET, tmp_path / "pocket")


def test_it_is_as_it_was_shipped():
    shipped.check_sums.__wrapped__(POCKET)
    listed = (POCKET / shipped.SUMS).read_text()
    for path in POCKET.rglob("*.safetensors"):
        assert path.relative_to(POCKET).as_posix() in listed


@pytest.mark.parametrize("part", ["vae", "unet", "restorer"])
def test_an_altered_file_is_refused_by_name(copy, part):
    weights = next((copy / part).rglob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"{part}/.*safetensors has another SHA-256") as told:
        shipped.check_sums(copy)
    assert "pip install" in told.value.hint


def test_a_file_that_is_gone_is_refused(copy):
    (copy / "restorer" / "recipe.toml").unlink()
    with pytest.raises(WeightsError, match=r"recipe\.toml"):
        shipped.check_sums(copy)


def test_the_backbone_checks_before_it_reads(copy, monkeypatch):
    from toolkit_backbones import plugin

    monkeypatch.setattr(plugin, "POCKET", copy)
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="were modified or are missing"):
        toolkit.make("backbone", "pocket").vae()


@pytest.mark.weights
def test_the_restorer_is_far_closer_to_a_photograph_than_bicubic():
    photo = toolkit.make("dataset", "photos:heldout")[6].hr[None, :, :256, :256]
    lr = degrade(toolkit.make("degradation", "realesrgan"), photo, 0, [6])
    dists = toolkit.make("loss", "dists")
    with torch.no_grad():
        ours, bicubic = (toolkit.make("restorer", name)(lr) for name in ("pocket", "bicubic"))
        assert dists(ours, photo).item() < 0.9 * dists(bicubic, photo).item()
