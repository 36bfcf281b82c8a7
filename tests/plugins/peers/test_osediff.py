"""OSEDiff agrees with its authors' classes and script."""

import pytest
import torch

import toolkit
from toolkit.plugin import Checkpoint
from toolkit_peers.images import enlarge, with_colours_of
from toolkit_peers.one_step import adapters, lora
from toolkit_peers.one_step.restorer import OneStep, Settings
from toolkit_peers.prompts import Prompts
from toolkit_peers.text import tokens

CASES = {
    "small": {},
    "odd": {},
    "wavelet": {"colour": "wavelet"},
    "tiled": {"latent_tile": 8, "latent_overlap": 2},
}


@pytest.fixture(scope="module")
def known(golden):
    return golden("osediff")


@pytest.fixture(scope="module")
def networks(known, stable_diffusion):
    """The UNet and the autoencoder with LoRA, not merged."""
    unet, vae = stable_diffusion("unet"), stable_diffusion("vae")
    for network, layers, replaced, section in (
        (unet, adapters.unet_layers(unet), adapters.REPLACED, "state_dict_unet"),
        (vae, adapters.vae_layers(vae), (), "state_dict_vae"),
    ):
        layout = known.keys[f"tiny:osediff.pkl:{section}"]
        values = known.state({name: shape for name, (shape, _) in layout.items()})
        lora.inject(network, layers, 4, 8)
        lora.load(network, Checkpoint("osediff.pkl", values), replaced)
    return unet, vae


@pytest.fixture(scope="module")
def restorer(networks, stable_diffusion, taggers):
    def make(**settings):
        unet, vae = networks
        prompts = Prompts(
            stable_diffusion("text_encoder"), "", taggers["published"], lambda tags: f"{tags}, ,"
        )
        return OneStep(
            name="osediff",
            vae=vae,
            predict=lambda x, t, text: unet(x, t, encoder_hidden_states=text).sample,
            networks={"unet": unet, "vae": vae, **prompts.networks},
            prompts=prompts,
            settings=Settings(process_size=64, **settings),
            latent_scaling=0.18215,
        )

    return make


def image(pixels):
    return pixels.permute(2, 0, 1)[None] / 255


def pixels(image):
    return image[0].mul(255).round().to(torch.uint8).permute(1, 2, 0)


def test_unet_with_and_without_lora(known, networks, stable_diffusion, close):
    unet, _ = networks
    x, context = known["unet.x"], known["unet.context"]
    assert torch.equal(x, known.normal("osediff.unet.x", *x.shape))
    close(unet(x, 999, context).sample, known["unet.out"], 2e-4)
    close(unet(x[:1], 1, context[:1]).sample, known["unet.out_t1"], 2e-4)
    plain = stable_diffusion("unet")
    close(plain(x, 999, context).sample, known["unet.out_without_lora"], 1e-5)
    merged = toolkit.make("backbone", "sd21:tiny").merge_lora
    copy = stable_diffusion("unet")
    lora.inject(copy, adapters.unet_layers(copy), 4, 8)
    copy.load_state_dict(unet.state_dict())
    merged(copy)
    assert not any("lora_" in name for name in copy.state_dict())
    close(copy(x, 999, context).sample, known["unet.out"], 2e-4)


def test_unet_block_by_block(known, networks, close):
    unet, taps = networks[0], {}
    layers = {
        "conv_in": unet.conv_in, "time_embedding": unet.time_embedding,
        "down0": unet.down_blocks[0], "mid": unet.mid_block, "up1": unet.up_blocks[1],
    }  # fmt: skip

    def keep(name):
        def hook(_layer, _arguments, output):
            taps[name] = output[0] if isinstance(output, tuple) else output

        return hook

    hooks = [layer.register_forward_hook(keep(name)) for name, layer in layers.items()]
    unet(known["unet.x"][:1], 999, known["unet.context"][:1])
    for hook in hooks:
        hook.remove()
    assert taps.keys() == layers.keys()
    for name, found in taps.items():
        close(found, known[f"unet.tap.{name}"], 2e-5, relative=True)  # they reach 420


def test_vae(known, networks, stable_diffusion, close):
    _, vae = networks
    moments = vae.encode(known["vae.image"]).latent_dist
    close(moments.parameters, known["vae.moments"], 5e-6, relative=True)
    close(moments.mean, known["vae.mean"], 5e-6, relative=True)
    close(moments.std, known["vae.std"], 5e-6, relative=True)
    sample = moments.mean + moments.std * known["vae.noise"]
    close(sample, known["vae.sample"], 5e-6, relative=True)
    close(vae.decode(known["vae.z"]).sample, known["vae.decoded"], 1e-5)
    plain = stable_diffusion("vae")
    close(plain.decode(known["vae.z"]).sample, known["vae.decoded_without_lora"], 1e-5)


def test_text_encoder(known, stable_diffusion, close):
    prompt = known.config["prompt"]
    ids = tokens(*prompt["token_prompts"])
    assert torch.equal(ids, known["clip.ids"].long())
    truncated = tokens(prompt["truncated_prompt"])[0]
    assert torch.equal(truncated, known["clip.ids_truncated"].long())
    encode = stable_diffusion("text_encoder")
    close(encode(*prompt["token_prompts"]), known["clip.out"], 1e-5)


@pytest.mark.parametrize("method", ["adain", "wavelet"])
def test_colours(known, close, method):
    from toolkit.restoring.colour import match_colour

    target, source = known["colour.target"], known["colour.source"]
    close(match_colour(target, source, method, clamp=False), known[f"colour.{method}"], 1e-6)
    found = with_colours_of(
        image(known["colour.target_u8"]), image(known["colour.source_u8"]), method
    )
    assert torch.equal(pixels(found), known[f"colour.{method}_u8"])


@pytest.mark.parametrize("case", CASES)
def test_end_to_end(known, restorer, close, case):
    made = restorer(**CASES[case])
    lr, expected = image(known[f"e2e.{case}.lr_u8"]), known[f"e2e.{case}.network_input"]
    source = enlarge(lr, 4, 64, "lanczos")
    assert torch.equal(source * 2 - 1, expected)
    prompt, _ = made.prompts.describe(source)
    assert prompt == known.config["e2e"][case]["prompt"]
    noise = known[f"e2e.{case}.noise.0"]
    latent = made.encode(expected, lambda _shape: noise)
    clean = made.step(latent, made.prompts.encode(prompt)) / made.latent_scaling
    close(clean, known[f"e2e.{case}.x0_over_scale"], 5e-5, relative=True)
    output = made.decode(clean * made.latent_scaling) * 2 - 1
    close(output, known[f"e2e.{case}.network_output"], 5e-4)
    found = pixels(made.restore(lr, lambda _shape: noise)).int()
    apart = (found - known[f"e2e.{case}.sr_u8"].int()).abs()
    assert apart.max() <= 2
    assert (apart > 0).float().mean() <= 0.005
