"""Tensor names in checkpoints of the original layout of latent diffusion models.

A file contains all parts, such as the UNet under `model.diffusion_model.` and the autoencoder under
`first_stage_model.`. Block numbers depend on the depth of the UNet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

LdmPart = Literal["unet", "vae", "vq", "controlnet"]
LDM_PREFIXES: Mapping[LdmPart, str] = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "vq": "",  # in files of their own, as the next
    "controlnet": "",
}
"""Prefixes of the parts in a whole model's file."""

_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
_OUTER = {
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "controlnet_mid_block": "middle_block_out.0",
}  # fmt: skip
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}

_ZERO = re.compile(r"controlnet_down_blocks\.(\d+)")
_BLOCK = re.compile(
    r"(?:(down|up)_blocks\.(\d+)|mid_block)"
    r"\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)"
)


def ldm_name(part: LdmPart, name: str, config: Mapping[str, Any]) -> str:
    """Returns the original name of a tensor, with its prefix, given diffusers' name and settings.

    `vae` is an `AutoencoderKL`, `vq` a `VQModel`. A ControlNet is one without
    `controlnet_cond_embedding`, as in DiffBIR.

    Example:
        >>> config = {"layers_per_block": 2, "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]}
        >>> ldm_name("unet", "down_blocks.1.resnets.0.conv1.weight", config)
        'model.diffusion_model.input_blocks.4.0.in_layers.2.weight'
    """
    stem, _, kind = name.rpartition(".")
    translate = _vae_name if part in ("vae", "vq") else _unet_name
    return f"{LDM_PREFIXES[part]}{translate(stem, config)}.{kind}"


def _unet_name(stem: str, config: Mapping[str, Any]) -> str:
    if stem in _OUTER:
        return _OUTER[stem]
    if zero := _ZERO.fullmatch(stem):
        return f"zero_convs.{zero[1]}.0"
    match = _BLOCK.fullmatch(stem)
    assert match, stem
    side, level, group, number, rest = match.groups()
    layers, index = int(config["layers_per_block"]) + 1, int(number)
    rest = _RESNET.get(rest, rest)
    inner = int(group == "attentions")
    if side is None:
        return f"middle_block.{2 * index + inner}.{rest}"
    row = int(level) * layers
    if side == "down":
        index, rest = (layers - 1, "op") if group == "downsamplers" else (index, rest)
        return f"input_blocks.{row + index + 1}.{inner}.{rest}"
    if group == "upsamplers":
        after_attention = "CrossAttn" in config["up_block_types"][int(level)]
        return f"output_blocks.{row + layers - 1}.{1 + after_attention}.conv"
    return f"output_blocks.{row + index}.{inner}.{rest}"


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
