"""Architectures, as diffusers' configurations, and their narrow versions for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from toolkit.plugin import WeightsError

Part = Literal["vae", "unet"]
PARTS: tuple[Part, ...] = ("vae", "unet")
Architecture = Mapping[Part, Mapping[str, Any]]

_FOLDER = Path(__file__).parent / "architectures"
_IGNORED = ("sample_size", "_class_name", "force_upcast")
"""Settings that affect neither the shapes nor the meaning of the weights."""


def published_architecture(name: str) -> Architecture:
    """Returns the published configurations of `sd21` or `sdxl`."""
    text = (_FOLDER / f"{name}.json").read_text(encoding="utf-8")
    architecture: Architecture = json.loads(text)
    return architecture


def narrowed(architecture: Architecture) -> Architecture:
    """Returns the same layers with minimal widths, a few thousand times smaller."""
    unet, vae = dict(architecture["unet"]), dict(architecture["vae"])
    levels = len(unet["block_out_channels"])
    unet |= {
        "block_out_channels": [16] + [32] * (levels - 1),
        "attention_head_dim": [2] * levels,
        "cross_attention_dim": 32,
        "layers_per_block": 1,
        "norm_num_groups": 8,
    }
    if "transformer_layers_per_block" in unet:
        unet["transformer_layers_per_block"] = [
            min(2, n) for n in unet["transformer_layers_per_block"]
        ]
    if "addition_time_embed_dim" in unet:
        unet |= {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 6 * 8 + 16}
    vae |= {
        "block_out_channels": [16] * len(vae["block_out_channels"]),
        "layers_per_block": 1,
        "norm_num_groups": 8,
    }
    return {"unet": unet, "vae": vae}


def check_same(
    name: str, part: Part, expected: Mapping[str, Any], actual: Mapping[str, Any], path: object
) -> None:
    """Raises `WeightsError` if a folder's configuration is that of another model."""
    for key, value in expected.items():
        if key not in _IGNORED and key in actual and actual[key] != value:
            raise WeightsError(
                f"{path} contains another model than {name!r}: the {part}'s {key} is "
                f"{actual[key]}, not {value}.",
                "Pass a folder or file of the right model, or choose another --backbone.",
            )
