"""`pocket`: the very classes of Stable Diffusion, small, with its own weights."""

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

import toolkit
from toolkit.errors import WeightsError
from toolkit_backbones.latent_diffusion import alphas_cumprod
from toolkit_backbones.plugin import POCKET


def test_it_is_made_of_diffusers_own_classes():
    backbone = toolkit.make("backbone", "pocket")
    assert type(backbone.vae()) is AutoencoderKL
    assert type(backbone.unet()) is UNet2DConditionModel
    assert any(name.endswith("attn2.to_k") for name, _ in backbone.unet().named_modules())


def test_the_schedule_is_stable_diffusions():
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    torch.testing.assert_close(alphas_cumprod().float(), theirs.alphas_cumprod)
    assert (alphas_cumprod()[999].rsqrt()).item() == pytest.approx(14.65, abs=0.01)


def test_the_autoencoder_rebuilds_a_held_out_photograph():
    photo = toolkit.make("dataset", "photos:heldout")[6].hr[None, :, :256, :256]
    vae = toolkit.make("backbone", "pocket").vae()
    with torch.no_grad():
        rebuilt = vae.decode(vae.encode(2 * photo - 1).latent_dist.mode()).sample
    error = (rebuilt / 2 + 0.5 - photo).square().mean()
    assert -10 * error.log10() > 24


def test_the_unet_predicts_noise_far_better_than_chance():
    backbone = toolkit.make("backbone", "pocket")
    photo = toolkit.make("dataset", "photos:heldout")[6].hr[None, :, :256, :256]
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        latent = backbone.vae().encode(2 * photo - 1).latent_dist.mode() * backbone.latent_scaling
        assert 0.5 < latent.std() < 2
        noise = torch.randn(latent.shape, generator=rng)
        signal = backbone.alphas_cumprod()[399].float()
        noisy = signal.sqrt() * latent + (1 - signal).sqrt() * noise
        text = 0.02 * torch.randn((1, 77, backbone.text_width), generator=rng)
        predicted = backbone.unet()(noisy, 399, text).sample
    assert (predicted - noise).square().mean() < 0.6  # 1 is what predicting nothing gives


def test_the_weights_ship_within_their_budget():
    assert sum(path.stat().st_size for path in POCKET.rglob("*")) < 30_000_000


def test_a_folder_that_lacks_a_part_says_so(tmp_path):
    with pytest.raises(WeightsError, match=r"no .*config\.json"):
        toolkit.make("backbone", "pocket", weights=str(tmp_path))


def test_torn_weights_are_a_clear_error(tmp_path):
    import shutil

    shutil.copytree(POCKET, tmp_path / "pocket")
    weights = tmp_path / "pocket" / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    (tmp_path / "pocket" / "SHA256SUMS").unlink()  # a folder of one's own has no such list
    with pytest.raises(WeightsError, match="is damaged"):
        toolkit.make("backbone", "pocket", weights=str(tmp_path / "pocket")).vae()
