"""StableSR's networks."""

import dataclasses
import logging

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.downsampling import Downsample2D
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.upsampling import Upsample2D
from torch import nn

from toolkit.plugin import Checkpoint, WeightsError
from toolkit_backbones.architecture import published_architecture
from toolkit_peers.stablesr import fusion, networks
from toolkit_peers.stablesr.modulation import Modulation, add_modulations, modulated
from toolkit_peers.stablesr.structure import (
    AttentionBlock,
    Downsampling,
    ResidualBlock,
    TimeAwareEncoder,
)
from toolkit_peers.text import TextEncoder, text_network

MAIN, FUSION = "stablesr_000117.ckpt", "vqgan_cfw_00011.ckpt"
T = torch.tensor([801, 37])


@pytest.fixture(scope="module")
def known(golden):
    return golden("stablesr")


@pytest.fixture(scope="module", name="agrees")
def _agrees(agrees):
    return agrees("stablesr")


@pytest.fixture
def taps():
    """Records modules' outputs; `taps(name=module)`."""
    seen, hooks = {}, []

    def record(name):
        return lambda _module, _inputs, output: seen.update({name: output})

    def listen(modules):
        hooks.extend(module.register_forward_hook(record(name)) for name, module in modules.items())
        return seen

    yield listen
    for hook in hooks:
        hook.remove()


def renamed(known, network, rename):
    """Gives a network the rule's weights by other names than its own."""
    state = {rename(name): tensor for name, tensor in network.state_dict().items()}
    values = known.state(state)
    network.load_state_dict({name: values[rename(name)] for name in network.state_dict()})
    return network.eval()


def test_weights_follow_the_rule(known, agrees):
    for label in known.labels:
        if label.startswith("rule/"):
            name, _, shape = label.removeprefix("rule/").removesuffix("]").partition("[")
            agrees(label, known.weight(name, tuple(map(int, shape.split(",")))))


def test_timesteps_are_embedded_as_published(agrees):
    waves = get_timestep_embedding(
        torch.tensor([999, 333]), 32, flip_sin_to_cos=True, downscale_freq_shift=0
    )
    agrees("embedding/timestep_dim32_t999_333", waves)


@torch.no_grad()
def test_modulation_agrees_with_the_authors(known, agrees):
    made = known.fill(Modulation(64, 32))
    agrees("spade/out", made(known["spade/in.x"], known["spade/in.cond"]))


@torch.no_grad()
def test_residual_blocks_agree_with_the_authors(known, agrees):
    x, emb = known["resblock_dual/in.x"], known["resblock_dual/in.emb"]
    agrees("resblock_plain/out", known.fill(ResidualBlock(32, 64, 128))(x, emb))

    original = {
        "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
        "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
    }  # fmt: skip
    block = ResnetBlock2D(in_channels=32, out_channels=64, temb_channels=128, groups=32, eps=1e-5)
    add_modulations(block, 32)

    def rename(name):
        stem, _, kind = name.rpartition(".")
        return f"{original.get(stem, stem)}.{kind}"

    renamed(known, block, rename)
    with modulated(block, {8: known["resblock_dual/in.cond"]}):
        agrees("resblock_dual/out", block(x, emb))


@torch.no_grad()
def test_other_blocks_agree_with_the_authors(known, agrees):
    attention = known.fill(AttentionBlock(64, heads=4))
    agrees("attention_block/out", attention(known["attention_block/in.x"]))
    transformer = known.fill(
        Transformer2DModel(
            num_attention_heads=2, attention_head_dim=16, in_channels=32,
            cross_attention_dim=48, use_linear_projection=True,
        )
    )  # fmt: skip
    x, context = known["transformer/in.x"], known["transformer/in.context"]
    agrees("transformer/out", transformer(x, context, return_dict=False)[0])
    x = known["resample/in.x"]
    agrees("resample/out.unet_down", known.fill(Downsampling(32))(x))
    agrees("resample/out.unet_up", known.fill(Upsample2D(32, use_conv=True))(x))
    down = known.fill(Downsample2D(32, use_conv=True, padding=0, name="op"))
    agrees("resample/out.vae_down", down(x))


@torch.no_grad()
def test_time_aware_encoder_agrees_with_the_authors(known, agrees, tiny_stablesr):
    features = tiny_stablesr.structure(known["structcond/in.z"], T)
    assert list(features) == [24, 12, 6, 3]
    for width, each in features.items():
        agrees(f"structcond/out.width{width}", each)


@torch.no_grad()
def test_unet_agrees_with_the_authors(known, agrees, tiny_stablesr, taps):
    unet = tiny_stablesr.unet
    parts = {"out.emb": unet.time_embedding, "out.input_block_0[:1,:4]": unet.conv_in}
    for level, block in enumerate(unet.down_blocks):
        layers = block.attentions if level < 3 else block.resnets
        ends = [*layers, *(block.downsamplers or ())]
        for index, each in enumerate(ends):
            parts[f"out.input_block_{3 * level + index + 1}[:1,:4]"] = each
    parts["out.middle_block[:1,:4]"] = unet.mid_block
    seen = taps(parts)
    features = tiny_stablesr.structure(known["structcond/in.z"], T)
    with modulated(unet, features):
        out = unet(known["unet/in.x"], T, known["unet/in.context"]).sample
    agrees("unet/out", out)
    assert len(seen) == 14
    for name, output in seen.items():
        first = output if isinstance(output, torch.Tensor) else output[0]
        agrees(f"unet/{name}", first if name == "out.emb" else first[:1, :4])


def test_features_modulate_within_the_block_of_code_alone(known, tiny_stablesr):
    x, context = known["unet/in.x"][:1], known["unet/in.context"][:1]
    unet = tiny_stablesr.unet
    with torch.no_grad():
        features = tiny_stablesr.structure(known["structcond/in.z"][:1], T[:1])
        before = unet(x, T[:1], context).sample
        with pytest.raises(ZeroDivisionError), modulated(unet, features):
            raise ZeroDivisionError
        assert torch.equal(unet(x, T[:1], context).sample, before)
    predicted = tiny_stablesr.predict_noise(x, known["structcond/in.z"][:1], 801, context)
    assert (predicted - before).abs().max() > 1e-2


@torch.no_grad()
def test_autoencoders_agree_with_the_authors(known, agrees, tiny_stablesr):
    vae, other = tiny_stablesr.vae, tiny_stablesr.fusion
    image, z = known["vae/in.image"], known["vae/in.z"]
    agrees("vae/out.moments", vae.quant_conv(vae.encoder(image)))
    agrees("vae/out.decoded", vae.decode(z).sample)
    moments, encoded = fusion.encode(other, image)
    agrees("cfw/out.moments", moments)
    for level in (1, 2):
        agrees(f"cfw/out.feature_level{level}[:, :8]", encoded[level][:, :8])
    for weight in (0.0, 0.5, 1.0):
        decoded = fusion.decode(other, z, encoded, weight)
        agrees(f"cfw/out.decoded_w{weight}", decoded)


@torch.no_grad()
def test_fusion_agrees_with_the_authors(known, agrees):
    made = renamed(known, fusion.Fusion(64), fusion.original_name)
    encoded, decoded = known["cfw_fuse/in.encoder"], known["cfw_fuse/in.decoder"]
    agrees("cfw_fuse/out.w0.5", decoded + 0.5 * made(encoded, decoded))
    agrees("cfw_fuse/out.rrdb", made.encode_enc_2[0](encoded))


@pytest.fixture(scope="module")
def full():
    """The published networks without values."""
    known = published_architecture("sd21")
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(known["unet"])
        vaes = [AutoencoderKL.from_config(known["vae"]) for _ in range(2)]
        add_modulations(unet, 256)
        fusion.add_fusions(vaes[1])
        structure = TimeAwareEncoder()
    text = TextEncoder(text_network(1024, hollow=True))
    return networks.Networks(unet, structure, *vaes, text, 0.18215)


def test_networks_have_the_published_sizes(known, full):
    def count(network, within=""):
        return sum(p.numel() for name, p in network.named_parameters() if within in name)

    wanted = known.config["parameters"]
    assert count(full.unet) == wanted["unet_with_spade"]
    assert count(full.unet, ".spade.") == wanted["spade"]
    assert count(full.structure) == wanted["time_aware_encoder"]
    assert count(full.vae) == wanted["vae"]
    assert count(full.fusion) == wanted["cfw_vae"]
    assert count(full.fusion, "fusion_layer") == wanted["cfw_fusion"]
    assert count(full.fusion.encoder) == wanted["cfw_encoder"]
    assert count(full.fusion.decoder) == wanted["cfw_decoder"]


def read(full, content, layout=MAIN):
    checkpoint = Checkpoint("file", content)
    if layout == MAIN:
        networks.read_main(full, checkpoint, torch.float32)
    else:
        networks.read_fusion(full.fusion, checkpoint, torch.float32)


def test_published_files_fit_exactly(known, full, caplog):
    caplog.set_level(logging.INFO)
    read(full, known.published(MAIN))
    read(full, known.published(FUSION) | {"loss.discriminator.weight": torch.zeros(1)}, FUSION)
    assert "not used" not in caplog.text
    parameters = [p for network in full.by_name.values() for p in network.parameters()]
    assert all(each.is_meta and not each.requires_grad for each in parameters)
    read(dataclasses.replace(full, vae=None), known.published(MAIN))
    assert "not used" not in caplog.text


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        (MAIN, "model.diffusion_model.output_blocks.5.0.spade.mlp_gamma.weight"),
        (MAIN, "structcond_stage_model.fea_tran.2.out_layers.3.weight"),
        (MAIN, "first_stage_model.decoder.up.3.upsample.conv.weight"),
        (FUSION, "decoder.fusion_layer_2.encode_enc_2.1.rdb3.conv5.weight"),
        (FUSION, "decoder.fusion_layer_1.encode_enc_1.conv_out.weight"),
    ],
)
def test_what_does_not_fit_is_named(known, full, layout, name):
    content = known.published(layout)
    with pytest.raises(WeightsError, match=rf"file lacks {name}"):
        read(full, {key: value for key, value in content.items() if key != name}, layout)
    with pytest.raises(WeightsError, match=rf"{name} is \(1, 2, 3, 3\) in file, but \("):
        read(full, content | {name: torch.zeros(1, 2, 3, 3)}, layout)


def test_a_text_encoder_that_does_not_fit_is_named(known, full):
    name = "cond_stage_model.model.transformer.resblocks.3.ln_1.weight"
    content = known.published(MAIN)
    del content[name]
    with pytest.raises(WeightsError, match=r"layers\.3\.layer_norm1\.weight"):
        read(full, content)


def test_what_is_not_used_is_named(known, full, caplog):
    caplog.set_level(logging.INFO)
    others = ("model_ema.decay", "cond_stage_model.model.visual.proj", "model.diffusion_model.x")
    read(full, known.published(MAIN) | {name: torch.zeros(1) for name in others})
    assert all(name in caplog.text for name in others)
    content = known.published(FUSION) | {"quantize.embedding.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match=r"file has quantize\.embedding\.weight"):
        read(full, content, FUSION)


def test_features_need_no_values(full):
    with torch.device("meta"):
        latent = torch.zeros(1, 4, 64, 72)
        eps = full.predict_noise(latent, latent, 5, torch.zeros(1, 77, 1024))
    assert eps.is_meta
    assert eps.shape == latent.shape
    assert isinstance(full.unet.down_blocks[0].resnets[0].spade, nn.Module)
