"""The restorer `seesr` agrees with its authors' script."""

import math

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from toolkit.plugin import Checkpoint
from toolkit_peers.ancestral import denoise, leading
from toolkit_peers.latent_tiles import gaussian, grid_by_stride
from toolkit_peers.prompts import Prompts
from toolkit_peers.seesr import networks, sampling
from toolkit_peers.seesr.networks import ControlledUNet, add_image_attentions
from toolkit_peers.seesr.restorer import SeeSR, Settings
from toolkit_peers.seesr.sampling import NoisePredictor
from toolkit_peers.tagger.network import TaggerConfig, create
from toolkit_peers.tagger.tagger import Tagger
from toolkit_peers.tagger.tags import Tags
from toolkit_peers.tagger.weights import dape_values, merge, ram_values
from toolkit_peers.text import TextEncoder, tokens
from toolkit_peers.vae_tiles import encode_moments

NEGATIVE = "dotted, noise, blur, lowres, smooth"
ADDED = "clean, high-resolution, 8k"
SCALING = 0.18215
GOLDEN_TAGGER = TaggerConfig(
    tags=48,
    image_size=128,
    embed_dim=16,
    depths=(2, 2, 2, 2),
    backbone_heads=(2, 4, 8, 16),
    window_size=4,
    hidden_size=32,
    intermediate_size=64,
    text_layers=3,
    text_width=32,
)


@pytest.fixture(scope="module")
def known(golden):
    return golden("seesr")


@pytest.fixture(scope="module")
def vae(known):
    return known.fill(AutoencoderKL(**known.config["tiny"]["vae"]))


@pytest.fixture(scope="module")
def encoder(known):
    network = CLIPTextModel(CLIPTextConfig(**known.config["tiny"]["text_encoder"]))
    return TextEncoder(known.fill(network, "text_model."))


@pytest.fixture(scope="module")
def tagger(golden):
    dape = golden("dape")
    state = dape.state({name: shape for name, (shape, _) in dape.keys["tiny"].items()})
    lora = {name: state.pop(name) for name in list(state) if "lora_" in name}
    network = create(GOLDEN_TAGGER)
    values = ram_values(network.state_dict(), Checkpoint("ram", state))
    merge(values, dape_values(GOLDEN_TAGGER, Checkpoint("dape", lora)))
    network.load_state_dict(values)
    tiny = dape.config["tiny"]
    tags = Tags(tuple(tiny["tags"]), tuple(map(float, tiny["thresholds"])))
    return Tagger(network, GOLDEN_TAGGER, tags)


@pytest.fixture(scope="module")
def network(known):
    config = {k: v for k, v in known.config["tiny"]["unet"].items() if "image" not in k}
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config)
    controlnet = networks.controlnet_for(unet)
    for each, layout in ((unet, "tiny:unet"), (controlnet, "tiny:controlnet")):
        add_image_attentions(each)
        checkpoint = Checkpoint(layout, known.state(known.published(layout)))
        networks.load(each, checkpoint, torch.float32)
    return ControlledUNet(unet, controlnet)


@pytest.fixture
def restorer(network, vae, encoder, tagger):
    """Makes a restorer with the goldens' networks: `restorer(steps=…, …)`."""
    prompts = Prompts(encoder, fixed=ADDED, tagger=tagger, compose=lambda tags: f"{tags}, ,{ADDED}")

    def make(prompts=prompts, **settings):
        settings = {"process_size": 64, "negative_prompt": NEGATIVE} | settings
        return SeeSR(network, vae, prompts, SCALING, Settings(**settings))

    return make


def stub(sample, timestep, text, image_tokens, hint):
    """The network of the loops in the golden file."""
    signs = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1)
    return 0.3 * sample + 0.05 * math.sin(0.01 * timestep) + 0.02 * signs


def stub_in_tiles(sample, *rest):
    assert rest[-1].shape[2:] == (8 * sample.shape[2], 8 * sample.shape[3])
    return stub(sample, *rest) + 0.2 * sample.mean((2, 3), keepdim=True)


def predictor(network, size, tile=96, overlap=4):
    boxes = grid_by_stride(*size, tile, overlap)
    hint = torch.zeros(1, 3, 8 * size[0], 8 * size[1])
    return NoisePredictor(network, torch.zeros(2, 77, 8), torch.zeros(1, 17, 512), hint, 5.5, boxes)


def rows(tensor):
    """Draws the rows of a golden tensor."""
    each = iter(tensor.split(1))
    return lambda shape: next(each).expand(shape)


def as_image(u8):
    return u8.permute(2, 0, 1)[None].float() / 255


def test_start_agrees_with_the_authors(known, vae, close):
    with torch.no_grad():
        moments = encode_moments(vae, known["loop.image"] * 2 - 1)
    started = sampling.start(moments, SCALING, 2, known.noise("seesr.loop.noise"))
    close(started, known["loop.start"], 1e-4)


@pytest.mark.parametrize("case", ["loop", "loop_noise_start"])
def test_sampling_agrees_with_the_authors(known, close, case):
    noise = known[f"{case}.noise"]
    started = known["loop.start"] if case == "loop" else noise[:1]
    seen = []

    def network(sample, *rest):
        seen.append(sample[:1])
        return stub(sample, *rest)

    final = denoise(started, leading(50), predictor(network, (8, 8)), rows(noise[1:]))
    for step in (0, 1, 25):
        close(seen[step + 1], known[f"{case}.after_step{step}"], 1e-4)
    close(final, known[f"{case}.final"], 1e-4)


@pytest.mark.parametrize("size", [(12, 20), (20, 6)])
def test_sampling_in_tiles_agrees_with_the_authors(known, close, size):
    label = f"tiles{size[0]}x{size[1]}_tile8_overlap2"
    noise, seen = known[f"{label}.noise"], []
    predict = predictor(stub_in_tiles, size, 8, 2)

    def recorded(sample, timestep):
        seen.append(sample)
        return predict(sample, timestep)

    final = denoise(noise[:1], leading(2), recorded, rows(noise[1:]))
    close(seen[1], known[f"{label}.after_step0"], 1e-4)
    close(final, known[f"{label}.after_step1"], 1e-4)
    close(final, known[f"{label}.final"], 1e-4)
    close(gaussian(8, 8), known["tiles.gaussian8"], 1e-5)


def test_text_agrees_with_the_authors(known, encoder, close):
    prompts = known.config["prompt"]["token_prompts"]
    assert torch.equal(tokens(*prompts), known["clip.ids"].long())
    close(encoder(*prompts), known["clip.out"], 1e-5)


@pytest.mark.parametrize("case", ["small", "odd", "tiled"])
def test_restores_as_the_authors(known, restorer, tagger, network, vae, close, case):
    label, config = f"e2e.{case}", known.config["e2e"][case]
    tiles = {
        "latent_tile": config.get("latent_tiled_size", 96),
        "latent_overlap": config.get("latent_tiled_overlap", 4),
    }
    made = restorer(steps=config["steps"], **tiles)
    lr = as_image(known[f"{label}.lr_u8"])
    prompt, tagged = made._prompts.describe(lr)
    assert prompt == config["prompt"]
    close(tagged.tokens, known[f"{label}.ram_tokens"], 1e-5)

    latents, decoded, before, prepared = watched(made, known, lr, label)
    assert torch.equal(prepared, as_image(known[f"{label}.input_u8"]))
    close(latents[1], known[f"{label}.latents_after_step0"], 3e-4)
    close(latents[-1], known[f"{label}.latents_final"], 3e-4)
    close(decoded, known[f"{label}.decoded"], 1e-4)
    same_bytes(before, known[f"{label}.before_colour_u8"], levels=1)
    sr = made.restore(lr, known.noise(f"seesr.{label}.noise"))
    same_bytes(sr, known[f"{label}.sr_u8"], levels=2)


def watched(made, known, lr, label):
    """The latents before the steps and after the last, and what follows them."""
    latents, decoded, patch = [], [], pytest.MonkeyPatch()
    predict, after, enlarged = NoisePredictor.__call__, [], []

    def recorded(self, sample, timestep):
        latents.append(sample)
        return predict(self, sample, timestep)

    def coloured(sr, source, method):
        after.append(sr)
        enlarged.append(source)
        return sr

    patch.setattr(NoisePredictor, "__call__", recorded)
    patch.setattr("toolkit_peers.seesr.restorer.with_colours_of", coloured)
    hooks = [
        made._vae.post_quant_conv.register_forward_hook(
            lambda _m, inputs, _o: latents.append(inputs[0] * SCALING)
        ),
        made._vae.decoder.register_forward_hook(lambda _m, _i, output: decoded.append(output)),
    ]
    try:
        made.restore(lr, known.noise(f"seesr.{label}.noise"))
    finally:
        patch.undo()
        for hook in hooks:
            hook.remove()
    return latents, decoded[0], after[0], enlarged[0]


def same_bytes(found, wanted, levels):
    found = found[0].mul(255).round().permute(1, 2, 0)
    assert found.shape == wanted.shape
    difference = (found - wanted.float()).abs()
    assert difference.max() <= levels
    assert (difference > 0).float().mean() <= 0.005


def test_noise_is_drawn_in_the_authors_order(restorer):
    drawn = []

    def noise(shape):
        drawn.append(tuple(shape))
        return torch.zeros(*shape)

    lr = torch.rand(1, 3, 16, 16)
    restorer(steps=3).restore(lr, noise)
    assert drawn == [(1, 4, 8, 8), (2, 4, 8, 8), *[(1, 4, 8, 8)] * 3]
    drawn.clear()
    restorer(steps=1, guidance=1.0).restore(lr, noise)
    assert drawn == [(1, 4, 8, 8)] * 3


def test_both_halves_of_guidance_see_the_same_but_the_text(known):
    text = torch.stack([torch.zeros(77, 8), torch.ones(77, 8)])
    image_tokens, hint = known["image_tokens"][:1], torch.rand(1, 3, 64, 64)

    def network(sample, _timestep, prompts, seen, controlled):
        assert torch.equal(seen, image_tokens.repeat(2, 1, 1))
        assert torch.equal(controlled, hint.repeat(2, 1, 1, 1))
        return sample + prompts.mean((1, 2)).view(-1, 1, 1, 1)

    boxes, sample = grid_by_stride(8, 8, 96, 4), torch.rand(1, 4, 8, 8)
    both = NoisePredictor(network, text, image_tokens, hint, 5.5, boxes)
    torch.testing.assert_close(both(sample, 1), sample + 5.5)

    def alone(sample, _timestep, prompts, *_):
        assert len(sample) == len(prompts) == 1
        return sample

    positive = NoisePredictor(alone, text[1:], image_tokens, hint, 1.0, boxes)
    torch.testing.assert_close(positive(sample, 1), sample)


def test_tiles_leave_no_seam():
    """Where the predictions of two tiles differ by 1, the blend has no step of half of that."""
    answers = iter([0.0, 1.0])

    def network(sample, *_):
        return torch.full_like(sample, next(answers))

    eps = predictor(network, (96, 188))(torch.zeros(1, 4, 96, 188), 1)
    assert eps[..., 0].abs().max() == 0
    torch.testing.assert_close(eps[..., -1], torch.ones(1, 4, 96))
    steps = eps.diff(dim=3)
    assert steps.min() >= 0
    assert steps.max() < 0.25
    assert (steps.abs() > 1e-6).any(dim=(0, 1, 2)).sum() == 5


def test_large_latents_are_tiled(restorer, network):
    seen = []
    hook = network.unet.conv_in.register_forward_pre_hook(
        lambda _module, inputs: seen.append(tuple(inputs[0].shape))
    )
    lr = torch.full((1, 3, 24, 24), 0.5)
    for tiles in ({}, {"latent_tile": 8, "latent_overlap": 4}):
        made = restorer(steps=2, **tiles)
        sr = made.restore(lr, lambda shape: torch.zeros(*shape))
        assert sr.shape == (1, 3, 96, 96)
    hook.remove()
    assert seen == [(2, 4, 12, 12)] * 2 + [(2, 4, 8, 8)] * 4 * 2
