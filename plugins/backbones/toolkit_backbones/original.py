"""The names that tensors have in checkpoints of the original layout, as ComfyUI and others use it.

One file holds all parts: `model.diffusion_model.` the UNet, `first_stage_model.` the autoencoder,
and others that are not needed here. Its numbering follows from how deep the UNet is.
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
_AROUND = {
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
    """The original name of a tensor that diffusers calls `name`.

    Example:
        >>> config = {"layers_per_block": 2, "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]}
        >>> original_name("unet", "down_blocks.1.resnets.0.conv1.weight", config)
        'model.diffusion_model.input_blocks.4.0.in_layers.2.weight'
    """
    stem, _, kind = name.rpartition(".")
    translate = _unet_name if part == "unet" else _vae_name
    return f"{PREFIXES[part]}{translate(stem, config)}.{kind}"


def _unet_name(stem: str, config: Mapping[str, Any]) -> str:
    if stem in _AROUND:
        return _AROUND[stem]
    found = _BLOCK.fullmatch(stem)
    assert found, stem
    side, level, group, number, rest = found.groups()
    layers, place = int(config["layers_per_block"]) + 1, int(number)
    rest = _RESNET.get(rest, rest)
    if side is None:
        return f"middle_block.{2 * place + (group == 'attentions')}.{rest}"
    row = int(level) * layers
    if side == "down":
        if group == "downsamplers":
            return f"input_blocks.{row + layers}.0.op"
        return f"input_blocks.{row + place + 1}.{int(group == 'attentions')}.{rest}"
    if group == "upsamplers":
        after_attention = "CrossAttn" in config["up_block_types"][int(level)]
        return f"output_blocks.{row + layers - 1}.{1 + after_attention}.conv"
    return f"output_blocks.{row + place}.{int(group == 'attentions')}.{rest}"


def _vae_name(stem: str, config: Mapping[str, Any]) -> str:
    net, _, rest = stem.partition(".")
    found = _BLOCK.fullmatch(rest)
    if not found:
        return stem.replace("conv_norm_out", "norm_out")
    side, level, group, number, rest = found.groups()
    rest = rest.replace("conv_shortcut", "nin_shortcut")
    if side is None:
        if group == "attentions":
            return f"{net}.mid.attn_1.{_ATTENTION[rest]}"
        return f"{net}.mid.block_{int(number) + 1}.{rest}"
    # The decoder's levels are counted from the image, whichever side comes first.
    row = int(level) if side == "down" else len(config["up_block_types"]) - 1 - int(level)
    if group in ("downsamplers", "upsamplers"):
        return f"{net}.{side}.{row}.{side}sample.conv"
    return f"{net}.{side}.{row}.block.{number}.{rest}"
