"""The wider judge: it knows pocket's latents, and more of them."""

import shutil

import pytest
import torch

import toolkit
from toolkit.errors import UsageError, WeightsError
from toolkit_pocket_wide.plugin import WIDE


def frozen_parameters(backbone):
    trunk = toolkit.make("discriminator", f"nad:{backbone}").trunk
    return sum(each.numel() for each in trunk.parameters() if not each.requires_grad)


def test_it_is_wider_on_the_same_latents():
    assert frozen_parameters("pocket-wide") > 1.5 * frozen_parameters("pocket")
    pocket, wide = (toolkit.make("backbone", name) for name in ("pocket", "pocket-wide"))
    ours, theirs = wide.vae().state_dict(), pocket.vae().state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    assert wide.fingerprint != pocket.fingerprint


def test_it_judges_pockets_latents():
    judge = toolkit.make("discriminator", "nad:pocket-wide", lora_rank=2)
    generator = toolkit.make("generator", "one-step", lora_rank=2)
    latent = generator.predict(torch.rand(1, 3, 24, 24)).latent
    logits = judge.logits(latent, torch.Generator().manual_seed(0))
    assert logits.isfinite().all()


def test_it_has_no_half_to_generate_with():
    generator = toolkit.make("generator", "one-step", backbone="pocket-wide", lora_rank=2)
    with pytest.raises(UsageError, match="only the half of a UNet") as refused:
        generator.predict(torch.rand(1, 3, 24, 24))
    assert refused.value.hint == "Train the generator on another one: --backbone pocket"


def test_altered_weights_are_refused(tmp_path):
    shutil.copytree(WIDE, tmp_path / "wide")
    path = next((tmp_path / "wide" / "unet").glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    backbone = toolkit.make("backbone", "pocket", weights=str(tmp_path / "wide"))
    with pytest.raises(WeightsError, match="were modified or are missing"):
        backbone.unet()


def test_it_ships_in_eleven_megabytes():
    assert sum(path.stat().st_size for path in WIDE.rglob("*") if path.is_file()) <= 11e6
