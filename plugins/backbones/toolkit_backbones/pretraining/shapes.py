"""Configurations of pocket's networks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.files import write_atomically

VAE: dict[str, Any] = {
    "_class_name": "AutoencoderKL",
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 16,
    "block_out_channels": [16, 32, 64],
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "layers_per_block": 1,
    "mid_block_add_attention": False,
    "norm_num_groups": 4,
    "act_fn": "silu",
    "sample_size": 256,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
}

UNET: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel",
    "in_channels": 16,
    "out_channels": 16,
    "sample_size": 32,
    "block_out_channels": [96, 128, 160],
    "down_block_types": ["DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"],
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
    "layers_per_block": 1,
    "attention_head_dim": [3, 4, 5],
    "cross_attention_dim": 64,
    "use_linear_projection": True,
    "norm_num_groups": 16,
    "act_fn": "silu",
}
"""Attention only at the lowest resolution, as its cost is quadratic in the number of pixels."""

UNETS: dict[str, dict[str, Any]] = {
    "pocket": UNET,
    "pocket-wide": {
        **UNET,
        "block_out_channels": [128, 160, 192],
        "attention_head_dim": [4, 5, 6],
    },
}
"""Configurations of the UNet by backbone."""


def write_shape(shape: Mapping[str, Any], folder: Path) -> None:
    """Writes a configuration in diffusers' layout."""
    write_atomically(folder / "config.json", (json.dumps(shape, indent=2) + "\n").encode())
