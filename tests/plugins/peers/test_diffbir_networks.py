"""DiffBIR's networks, and the files they are read from."""

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from toolkit.plugin import LDM_PREFIXES, Checkpoint, WeightsError, fill, ldm_name
from toolkit_backbones.architecture import published_architecture
from toolkit_peers.diffbir.bsrnet import bsrnet, cleaned, read_bsrnet
from toolkit_peers.diffbir.controlnet import control_network, predict_noise, read_control_network
from toolkit_peers.text import read_text_encoder, text_network, tokens

SD = "v2-1_512-ema-pruned.ckpt:state_dict (used)"
READERS = {
    "v2.pth": (control_network, read_control_network),
    "BSRNet.pth": (bsrnet, read_bsrnet),
    SD: (text_network, read_text_encoder),
}
ARGUMENTS = {"v2.pth": (published_architecture("sd21")["unet"],), "BSRNet.pth": (), SD: (1024,)}
CASES = [
    ("v2.pth", "input_blocks.4.0.skip_connection.weight", ""),
    ("v2.pth", "zero_convs.11.0.bias", ""),
    ("v2.pth", "middle_block_out.0.weight", ""),
    ("BSRNet.pth", "RRDB_trunk.22.RDB3.conv5.weight", ""),
    ("BSRNet.pth", "trunk_conv.bias", ""),
    (SD, "cond_stage_model.model.ln_final.weight", "final_layer_norm.weight"),
    (
        SD,
        "cond_stage_model.model.transformer.resblocks.22.mlp.c_fc.weight",
        "encoder.layers.22.mlp.fc1.weight",
    ),
]
"""Layout, tensor, and what messages call it, if not by that name."""


@pytest.fixture(scope="module")
def known(golden):
    return golden("diffbir")


def hollow(layout):
    """The full-size network that a layout is for, without values."""
    return READERS[layout][0](*ARGUMENTS[layout], hollow=True)


def read(layout, content, network=None):
    network = network or hollow(layout)
    READERS[layout][1](network, Checkpoint(layout, content))
    return network


def inputs(known):
    return known["x"], known["hint"], torch.tensor([999, 500]), known["context"]


def test_the_inputs_are_those_of_the_goldens(known):
    for name, label in {"x": "x", "hint": "hint"}.items():
        assert torch.equal(known[name], known.normal(f"diffbir.{label}", 2, 4, 16, 24))
    assert torch.equal(known["context"], known.normal("diffbir.context", 2, 77, 32))


@torch.no_grad()
def test_the_control_is_as_published(known, tiny_diffbir, close):
    noisy, condition, timesteps, context = inputs(known)
    skips, middle = tiny_diffbir.controlnet(
        torch.cat([noisy, condition], 1), timesteps, context, condition, return_dict=False
    )
    assert len(skips) == 12
    for number, output in enumerate([*skips, middle]):
        close(output[:1], known[f"controlnet.out.{number:02}"], 2e-5)


@torch.no_grad()
def test_the_predicted_noise_is_as_published(known, tiny_diffbir, close):
    unet, controlnet = tiny_diffbir.unet, tiny_diffbir.controlnet
    noisy, _, timesteps, context = inputs(known)
    alone = unet(noisy, timesteps, context, return_dict=False)[0]
    close(alone, known["unet.out"], 2e-5)
    controlled = predict_noise(unet, controlnet, *inputs(known))
    close(controlled, known["unet.out_with_control"], 2e-5)
    half = predict_noise(unet, controlnet, *inputs(known), strength=0.5)
    close(half[:1], known["unet.out_strength_half"], 2e-5)


@torch.no_grad()
def test_the_autoencoder_is_as_published(known, tiny_diffbir, close):
    vae, image = tiny_diffbir.vae, known["vae.image01"]
    moments = vae.quant_conv(vae.encoder(2 * image - 1))
    close(moments, known["vae.moments"], 1e-5)
    decoded = vae.decode(known["vae.z"] / 0.18215, return_dict=False)[0]
    close(decoded, known["vae.decoded"], 1e-5)


def test_the_text_encoder_is_as_published(known, tiny_diffbir, close):
    prompts = known.config["token_prompts"]
    assert torch.equal(tokens(*prompts), known["clip.ids"].long())
    close(tiny_diffbir.text(*prompts), known["clip.out"], 1e-5)


@torch.no_grad()
def test_bsrnet_is_as_published(known, tiny_diffbir, close):
    network = tiny_diffbir.bsrnet
    close(cleaned(network, known["bsrnet.in"], tile=0), known["bsrnet.out"], 1e-5)
    tiled = cleaned(network, known["bsrnet.tiled_in"], tile=16)
    close(tiled, known["bsrnet.tiled_size16_stride8"], 1e-5)
    # A side is shorter than a tile.
    close(cleaned(network, known["bsrnet.in"], tile=11), known["bsrnet.out"], 1e-5)


@torch.no_grad()
def test_bsrnets_tiles_overlap_by_half(tiny_diffbir):
    passes = []
    hook = tiny_diffbir.bsrnet.register_forward_hook(lambda *_: passes.append(1))
    cleaned(tiny_diffbir.bsrnet, torch.rand(1, 3, 33, 16), tile=16)
    hook.remove()
    assert len(passes) == 4  # from rows 0, 8, 16 and 17


@pytest.mark.parametrize(
    ("layout", "tensors", "parameters"),
    [
        ("v2.pth", 324, 363_153_280),
        ("BSRNet.pth", 702, 16_697_987),
        # The published file's 354,032,641 include the last layer, the projection and a scale.
        (SD, 372, 354_032_641 - 12 * 1024**2 - 13 * 1024 - 1024**2 - 1),
    ],
)
def test_the_published_files_are_read_strictly(known, layout, tensors, parameters):
    network = read(layout, known.published(layout))
    state = network.state_dict()
    assert len(state) == tensors
    assert sum(each.numel() for each in state.values()) == parameters


@pytest.mark.parametrize(
    ("part", "model", "parameters"),
    [("unet", UNet2DConditionModel, 865_910_724), ("vae", AutoencoderKL, 83_653_863)],
)
def test_the_published_file_has_the_backbone(known, part, model, parameters):
    config = published_architecture("sd21")[part]
    with torch.device("meta"):
        network = model.from_config(config)
    checkpoint = Checkpoint(SD, known.published(SD))
    names = lambda name: [ldm_name(part, name, config)]  # noqa: E731
    values = fill(network.state_dict(), checkpoint, names, LDM_PREFIXES[part])
    assert sum(each.numel() for each in values.values()) == parameters


@pytest.mark.parametrize(("layout", "name", "told"), CASES)
def test_a_missing_tensor_is_named(known, layout, name, told):
    content = known.published(layout)
    del content[name]
    with pytest.raises(WeightsError) as caught:
        read(layout, content)
    assert layout in str(caught.value)
    assert f"lacks {told or name}" in str(caught.value)


@pytest.mark.parametrize(("layout", "name", "told"), CASES)
def test_a_tensor_of_another_shape_is_named(known, layout, name, told):
    content = known.published(layout)
    content[name] = content[name].new_empty(7, *content[name].shape[1:])
    with pytest.raises(WeightsError) as caught:
        read(layout, content)
    assert f"{told or name} is (7," in str(caught.value)
    assert layout in str(caught.value)


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        ("v2.pth", "input_hint_block.0.weight"),
        ("v2.pth", "output_blocks.0.0.in_layers.0.bias"),
        ("BSRNet.pth", "RRDB_trunk.23.RDB1.conv1.weight"),
        (SD, "cond_stage_model.model.ln_pre.weight"),
    ],
)
def test_an_unexpected_tensor_is_named(known, layout, name):
    content = known.published(layout) | {name: torch.zeros(1)}
    with pytest.raises(WeightsError, match=name.removeprefix("cond_stage_model.model.")):
        read(layout, content)


@pytest.mark.parametrize("layout", ["v2.pth", "BSRNet.pth"])
@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_files_may_be_wrapped(tmp_path, known, tiny_diffbir, layout, wrapped, prefix):
    state = known.state(known.published(f"tiny:{layout}"))
    content = {prefix + name: tensor for name, tensor in state.items()}
    torch.save({"state_dict": content} if wrapped else content, tmp_path / layout)
    networks = {
        "v2.pth": (control_network(tiny_diffbir.unet.config), tiny_diffbir.controlnet),
        "BSRNet.pth": (bsrnet(8, 2, 4), tiny_diffbir.bsrnet),
    }
    network, wanted = networks[layout]
    READERS[layout][1](network, Checkpoint.read(tmp_path / layout).unwrapped())
    for name, tensor in wanted.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor)


def test_random_weights_are_the_same_each_time_and_control(tiny_diffbir):
    config = tiny_diffbir.unet.config
    for make in (lambda: control_network(config), lambda: bsrnet(8, 2, 4)):
        first, second = make().state_dict(), make().state_dict()
        assert all(torch.equal(first[name], second[name]) for name in first)
    network = control_network(config)
    assert network.controlnet_mid_block.weight.any()
    assert not any(each.requires_grad for each in network.parameters())
    assert not network.training
