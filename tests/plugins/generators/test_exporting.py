"""Exported generators: read by diffusers' own loaders, they predict the same."""

import json
import re

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file

import toolkit
from toolkit.streams import torch_stream
from toolkit.weights import ldm_name
from toolkit_backbones.latent_diffusion import alphas_cumprod

RANK, ALPHA = 2, 6.0
T_L = 399
DIFFUSERS, COMFYUI = "pytorch_lora_weights.safetensors", "lora_comfyui.safetensors"
LORA = "unet/lora"

COMFYUI_KEY = re.compile(
    r"lora_unet_(?:(?:down|up)_blocks_\d+|mid_block)_(?:"
    r"resnets_\d+_(?:conv1|conv2|conv_shortcut|time_emb_proj)"
    r"|downsamplers_0_conv|upsamplers_0_conv"
    r"|attentions_\d+_(?:proj_in|proj_out|transformer_blocks_\d+_"
    r"(?:attn[12]_to_(?:q|k|v|out_0)|ff_net_(?:0_proj|2))))"
)
"""The convolutions and matrices of a UNet's blocks that ComfyUI's `unet_to_diffusers` names."""


def generator(backbone="pocket", **options):
    """One whose LoRA does something."""
    chosen = {"lora_rank": RANK, "lora_alpha": ALPHA, "timestep": T_L, **options}
    made = toolkit.make("generator", "one-step", backbone=backbone, **chosen)
    rng = torch_stream(0, "weights")
    state = {
        name: 0.1 * torch.randn(tensor.shape, generator=rng)
        for name, tensor in made.state().items()
    }
    made.load_state(state)
    return made


@pytest.fixture(scope="module")
def trained():
    return generator()


@pytest.fixture(scope="module")
def latent(trained):
    return trained.encode(torch.rand(1, 3, 32, 48, generator=torch_stream(0, "latent")))


@pytest.fixture(scope="module")
def expected(trained, latent):
    with torch.inference_mode():
        noise = trained.noise(latent)
        plain = toolkit.make("backbone", "pocket").unet()(latent, T_L, trained.condition.text)
    assert (noise - plain.sample).abs().max() > 0.1  # the LoRA is no small matter
    return noise


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Gives the folder of a form, written once."""
    folders = {}

    def folder_of(form, keys="diffusers"):
        if (form, keys) not in folders:
            folder = folders[form, keys] = tmp_path_factory.mktemp("exported")
            card = generator().export(folder, form, keys, "OWNER/NAME")
            (folder / "README.md").write_text(card)
        return folders[form, keys]

    return folder_of


def pipeline():
    backbone = toolkit.make("backbone", "pocket")
    nothing = ("text_encoder", "tokenizer", "safety_checker", "feature_extractor")
    return StableDiffusionPipeline(
        vae=backbone.vae(), unet=backbone.unet(),
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        requires_safety_checker=False, **dict.fromkeys(nothing),
    )  # fmt: skip


def noise_of(unet, latent, folder):
    text = load_file(folder / "condition" / "diffusion_pytorch_model.safetensors")["text"]
    with torch.inference_mode():
        return unet(latent, T_L, text).sample


@pytest.mark.parametrize(("keys", "name"), [("diffusers", DIFFUSERS), ("comfyui", COMFYUI)])
def test_diffusers_loads_the_lora(exported, keys, name, latent, expected):
    folder = exported("diffusers", keys)
    assert [path.name for path in (folder / LORA).iterdir()] == [name]
    loaded = pipeline()
    # The file that diffusers looks for by itself needs no name.
    named = {"weight_name": name} if keys == "comfyui" else {}
    loaded.load_lora_weights(folder, subfolder=LORA, **named)
    found = noise_of(loaded.unet, latent, folder)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_the_lora_means_the_same_without_its_alpha(exported, trained):
    path = exported("diffusers") / LORA / DIFFUSERS
    with safe_open(path, "pt") as stream:
        told = json.loads(stream.metadata()["lora_adapter_metadata"])
    assert told["unet.r"] == told["unet.lora_alpha"] == RANK
    written, own = load_file(path), trained.state()
    assert written.keys() == {name for name in own if "lora_" in name}
    for name, tensor in written.items():
        factor = ALPHA / RANK if "lora_B" in name else 1
        torch.testing.assert_close(tensor, factor * own[name])


@pytest.mark.parametrize("backbone", ["pocket", "sd21:tiny", "sdxl:tiny"])
def test_comfyui_knows_every_layer(tmp_path, backbone):
    made = generator(backbone)
    made.export(tmp_path, "diffusers", "comfyui", backbone)
    written = load_file(tmp_path / LORA / COMFYUI)
    layers = {
        name.removeprefix("unet.").removesuffix(".lora_A.weight")
        for name in made.state()
        if name.endswith(".lora_A.weight")
    }
    assert {key.partition(".")[0] for key in written} == {
        f"lora_unet_{layer.replace('.', '_')}" for layer in layers
    }
    for layer in layers:
        key = f"lora_unet_{layer.replace('.', '_')}"
        assert COMFYUI_KEY.fullmatch(key)
        assert written[f"{key}.alpha"] == RANK
        assert len(written[f"{key}.lora_down.weight"]) == RANK
        assert written[f"{key}.lora_up.weight"].shape[1] == RANK
    # ComfyUI goes on to the original layout, where each has a place of its own.
    places = {ldm_name("unet", f"{layer}.weight", made.unet.config) for layer in layers}
    assert len(places) == len(layers)


def test_diffusers_loads_the_merged_networks(exported, trained, latent, expected):
    folder = exported("merged")
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    found = noise_of(unet, latent, folder)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae")
    own = trained.vae.state_dict()
    assert all(torch.equal(tensor, own[name]) for name, tensor in vae.state_dict().items())
    scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler")
    told = {"prediction_type": "epsilon", "num_train_timesteps": 1000, "steps_offset": 1,
            "clip_sample": False, "set_alpha_to_one": False}  # fmt: skip
    assert {name: scheduler.config[name] for name in told} == told
    assert (scheduler.config.beta_start, scheduler.config.beta_end) == (0.00085, 0.012)
    torch.testing.assert_close(scheduler.alphas_cumprod, alphas_cumprod().float())


def test_our_own_backbone_loads_the_merged_networks(exported, latent, expected):
    folder = exported("merged")
    backbone = toolkit.make("backbone", "pocket", weights=str(folder))
    found = noise_of(backbone.unet(), latent, folder)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert backbone.latent_scaling == toolkit.make("backbone", "pocket").latent_scaling


def test_the_card_says_what_it_is(exported):
    card = (exported("merged") / "README.md").read_text()
    assert f"T_L = {T_L}" in card
    assert f"rank {RANK}, alpha {ALPHA:g}, " in card
    assert "`text` [1, 77, 64]" in card


@pytest.mark.parametrize(
    ("form", "keys", "base", "told"),
    [
        ("diffusers", "diffusers", "me/base", ['subfolder="unet/lora"', "diffusers and peft."]),
        ("diffusers", "comfyui", "me/base", ["`models/loras`"]),
        ("diffusers", "diffusers", "pocket", ['base="pocket")', "`vae/` of `pocket`"]),
        ("merged", "diffusers", "pocket", ["It needs diffusers. "]),
    ],
)
def test_the_card_tells_how_to_load_it(tmp_path, form, keys, base, told):
    card = generator().export(tmp_path, form, keys, base)
    assert all(each in card for each in told)
    assert ("base=" in card) is (form == "diffusers" and base == "pocket")
