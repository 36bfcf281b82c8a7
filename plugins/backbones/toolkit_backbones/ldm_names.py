"""Tensor names in checkpoints of the original layout, as used by ComfyUI and others.

A file contains all parts, such as the UNet under `model.diffusion_model.` and the autoencoder under
`first_stage_model.`. Block numbers depend on the depth of the UNet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from toolkit_backbones.architecture import Part

PREFIXES: Mapping[Part, str] = {"unet": "model.diffusion_model.", "vae": "first_stage_model."}

_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
_OUTER = {
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}

_BLOCK = re.compile(
    r"(?:(down|up)_blocks\.(\d+)|mid_block)"
    r"\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)"
)


def original_name(part: Part, name: str, config: Mapping[str, Any]) -> str:
    """Returns the original name of a tensor, given diffusers' name.

    Example:
        >>> config = {"layers_per_block": 2, "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]}
        >>> original_name("unet", "down_blocks.1.resnets.0.conv1.weight", config)
        'model.diffusion_model.input_blocks.4.0.in_layers.2.weight'
    """
    stem, _, kind = name.rpartition(".")
    translate = _unet_name if part == "unet" else _vae_name
    return f"{PREFIXES[part]}{translate(stem, config)}.{kind}"


def _unet_name(stem: str, config: Mapping[str, Any]) -> str:
    if stem in _OUTER:
        return _OUTER[stem]
    match = _BLOCK.fullmatch(stem)
    assert match, stem
    side, level, group, number, rest = match.groups()
    layers, index = int(config["layers_per_block"]) + 1, int(number)
    rest = _RESNET.get(rest, rest)
    if side is None:
        return f"middle_block.{2 * index + (group == 'attentions')}.{rest}"
    row = int(level) * layers
    if side == "down":
        if group == "downsamplers":
            return f"input_blocks.{row + layers}.0.op"
        return f"input_blocks.{row + index + 1}.{int(group == 'attentions')}.{rest}"
    if group == "upsamplers":
        after_attention = "CrossAttn" in config["up_block_types"][int(level)]
        return f"output_blocks.{row + layers - 1}.{1 + after_attention}.conv"
    return f"output_blocks.{row + index}.{int(group == 'attentions')}.{rest}"


def _vae_name(stem: str, config: Mapping[str, Any]) -> str:
    net, _, rest = stem.partition(".")
    match = _BLOCK.fullmatch(rest)
    if not match:
        return stem.replace("conv_norm_out", "norm_out")
    side, level, group, number, rest = match.groups()
    rest = rest.replace("conv_shortcut", "nin_shortcut")
    if side is None:
        if group == "attentions":
            return f"{net}.mid.attn_1.{_ATTENTION[rest]}"
        return f"{net}.mid.block_{int(number) + 1}.{rest}"
    # Levels are counted from the image, also in the decoder.
    row = int(level) if side == "down" else len(config["up_block_types"]) - 1 - int(level)
    if group in ("downsamplers", "upsamplers"):
        return f"{net}.{side}.{row}.{side}sample.conv"
    return f"{net}.{side}.{row}.block.{number}.{rest}"
