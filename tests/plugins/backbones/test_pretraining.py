"""How pocket is made: a linear start, put into the autoencoder; and what ships in the end."""

import json

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from toolkit.checkpoints import checkpoints, load_part
from toolkit.discovery import installed
from toolkit.recipe import resolve
from toolkit.runs import Run
from toolkit.training.loop import train
from toolkit_backbones.plugin import POCKET
from toolkit_backbones.pretraining import publish
from toolkit_backbones.pretraining.linear import LinearAutoencoder
from toolkit_backbones.pretraining.patches import PatchDiscriminator
from toolkit_backbones.pretraining.progress import PROGRESS
from toolkit_backbones.pretraining.shapes import UNET, VAE
from toolkit_backbones.shipped import check_sums, write_sums


@pytest.fixture
def images():
    return torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_autoencoder_computes_what_the_linear_one_does(images):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = AutoencoderKL.from_config(VAE)
        linear = LinearAutoencoder(vae)
    linear.embed(vae)
    with torch.no_grad():
        code = linear.encode(images)
        rebuilt = linear.decode(code)
        near = {"atol": 1e-4, "rtol": 1e-3}
        torch.testing.assert_close(vae.encode(images).latent_dist.mean, code, **near)
        torch.testing.assert_close(vae.decode(code).sample, rebuilt, **near)
    assert code.shape == (2, VAE["latent_channels"], 8, 12)
    assert rebuilt.std() > 0.01


def test_patches_are_judged_one_by_one(images):
    assert PatchDiscriminator(8)(images).shape == (2, 1, 8, 12)


def test_pocket_has_the_shapes_that_the_scripts_give_it():
    for part, shape in (("vae", VAE), ("unet", UNET)):
        config = json.loads((POCKET / part / "config.json").read_text())
        config.pop("scaling_factor", None)
        assert config == shape


def test_a_published_run_restores_as_the_run_itself_and_holds_no_more(tmp_path):
    run = Run(tmp_path / "run")
    plan = {"steps": 1, "batch": 1, "crop": 32, "device": "cpu", "sample_every": 0, "ema": 0.9}
    recipe = resolve({"loss": "mse", "data": "photos:heldout", "train": plan}, installed())
    train(run, recipe, installed())
    record = tmp_path / PROGRESS  # of the training that the run is a stage of
    record.write_text('{"stage": "run", "step": 1}\n')
    publish.publish_run(run, tmp_path / "restorer")
    assert (tmp_path / "restorer" / PROGRESS).read_text() == record.read_text()
    record.unlink()
    publish.publish_run(run, tmp_path / "restorer")
    assert not (tmp_path / "restorer" / PROGRESS).exists()
    shipped = Run(tmp_path / "restorer")
    [checkpoint] = checkpoints(shipped.checkpoints)
    weights = load_part(checkpoint, "generator")
    assert all(tensor.dtype == torch.float16 for tensor in weights.values())
    assert checkpoint.stat().st_size < run.latest().stat().st_size / 5
    lr = torch.rand(1, 3, 24, 20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first, second = run.restorer(installed())(lr), shipped.restorer(installed())(lr)
    torch.testing.assert_close(first, second, atol=2e-2, rtol=0)


def test_a_judge_is_published_without_what_follows_its_middle_block(tmp_path):
    names = ["conv_in.weight", "down_blocks.0.a", "mid_block.b", "up_blocks.0.c", "conv_out.bias"]
    path = tmp_path / "unet.safetensors"
    save_file({name: torch.full((2,), float(i)) for i, name in enumerate(names)}, path)
    publish.keep_first_half(path)
    kept = load_file(path)
    assert [kept[name][0].item() for name in sorted(kept)] == [0, 1, 2]


def test_sums_follow_the_files(tmp_path):
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "config.json").write_text("{}")
    write_sums(tmp_path)
    check_sums(tmp_path)
    assert (tmp_path / "SHA256SUMS").read_text().endswith("  vae/config.json\n")
