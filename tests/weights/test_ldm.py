"""The names of the original layout, against those published and diffusers' own converters."""

import functools
from types import SimpleNamespace

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils

from toolkit.weights import ldm_name
from toolkit_backbones.architecture import published_architecture

COUNTS = [("sd21", "unet", 686), ("sd21", "vae", 248), ("sdxl", "unet", 1680), ("sdxl", "vae", 248)]
MODELS = {"vae": AutoencoderKL, "unet": UNet2DConditionModel}
CONVERTERS = {
    "vae": single_file_utils.convert_ldm_vae_checkpoint,
    "unet": single_file_utils.convert_ldm_unet_checkpoint,
}


@functools.cache
def shapes(name, part):
    """Of every tensor of the full-size network, by diffusers' names."""
    with torch.device("meta"):
        network = MODELS[part].from_config(published_architecture(name)[part])
    return {key: list(tensor.shape) for key, tensor in network.state_dict().items()}


def original_shapes(name, part):
    """The same by their original names."""
    config = published_architecture(name)[part]
    return {ldm_name(part, key, config): size for key, size in shapes(name, part).items()}


@pytest.mark.parametrize(("name", "part", "count"), COUNTS)
def test_every_tensor_has_a_name_of_its_own(name, part, count):
    assert len(shapes(name, part)) == count
    assert len(original_shapes(name, part)) == count


@pytest.mark.parametrize(("name", "part"), [case[:2] for case in COUNTS])
def test_the_names_are_those_that_diffusers_converts(name, part):
    config = published_architecture(name)[part]
    # The converters look at the shapes of the autoencoder's attention.
    checkpoint = {
        ldm_name(part, key, config): SimpleNamespace(origin=key, shape=(), ndim=0)
        for key in shapes(name, part)
    }
    converted = CONVERTERS[part](checkpoint, config)
    assert {key: marker.origin for key, marker in converted.items()} == {
        key: key for key in shapes(name, part)
    }


@pytest.mark.parametrize(
    ("name", "part", "original", "shape"),
    [
        ("sd21", "unet", "input_blocks.0.0.weight", [320, 4, 3, 3]),
        ("sd21", "unet", "input_blocks.1.1.proj_in.weight", [320, 320]),
        ("sd21", "unet", "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", [320, 1024]),
        ("sd21", "unet", "input_blocks.3.0.op.weight", [320, 320, 3, 3]),
        ("sd21", "unet", "input_blocks.4.0.skip_connection.weight", [640, 320, 1, 1]),
        ("sd21", "unet", "input_blocks.11.0.emb_layers.1.weight", [1280, 1280]),
        ("sd21", "unet", "middle_block.1.transformer_blocks.0.ff.net.0.proj.weight", [10240, 1280]),
        ("sd21", "unet", "middle_block.2.out_layers.3.weight", [1280, 1280, 3, 3]),
        ("sd21", "unet", "output_blocks.2.1.conv.weight", [1280, 1280, 3, 3]),
        ("sd21", "unet", "output_blocks.8.2.conv.weight", [640, 640, 3, 3]),
        ("sd21", "unet", "output_blocks.11.1.transformer_blocks.0.norm1.bias", [320]),
        ("sd21", "unet", "time_embed.0.weight", [1280, 320]),
        ("sd21", "unet", "out.2.weight", [4, 320, 3, 3]),
        ("sdxl", "unet", "label_emb.0.0.weight", [1280, 2816]),
        ("sdxl", "unet", "input_blocks.4.1.transformer_blocks.1.attn2.to_k.weight", [640, 2048]),
        ("sdxl", "unet", "input_blocks.8.1.transformer_blocks.9.attn1.to_q.weight", [1280, 1280]),
        ("sdxl", "unet", "output_blocks.2.2.conv.weight", [1280, 1280, 3, 3]),
        ("sdxl", "unet", "output_blocks.8.0.skip_connection.weight", [320, 640, 1, 1]),
        ("sd21", "vae", "decoder.mid.attn_1.q.weight", [512, 512]),  # 4-d in the original
        ("sd21", "vae", "decoder.up.3.upsample.conv.weight", [512, 512, 3, 3]),
        ("sd21", "vae", "decoder.up.0.block.0.nin_shortcut.weight", [128, 256, 1, 1]),
        ("sd21", "vae", "decoder.norm_out.weight", [128]),
        ("sd21", "vae", "encoder.down.0.downsample.conv.weight", [128, 128, 3, 3]),
        ("sd21", "vae", "encoder.mid.block_2.conv1.weight", [512, 512, 3, 3]),
        ("sd21", "vae", "encoder.conv_out.weight", [8, 512, 3, 3]),
        ("sd21", "vae", "quant_conv.weight", [8, 8, 1, 1]),
        ("sdxl", "vae", "post_quant_conv.weight", [4, 4, 1, 1]),
    ],
)
def test_well_known_tensors_are_where_they_are_known(name, part, original, shape):
    prefix = {"unet": "model.diffusion_model.", "vae": "first_stage_model."}[part]
    assert original_shapes(name, part)[prefix + original] == shape


def test_an_autoencoder_with_codes_has_no_prefix():
    config = {"up_block_types": ["UpDecoderBlock2D"] * 3}
    names = {
        "decoder.up_blocks.0.upsamplers.0.conv.bias": "decoder.up.2.upsample.conv.bias",
        "quantize.embedding.weight": "quantize.embedding.weight",
        "post_quant_conv.weight": "post_quant_conv.weight",
    }
    assert {name: ldm_name("vq", name, config) for name in names} == names
