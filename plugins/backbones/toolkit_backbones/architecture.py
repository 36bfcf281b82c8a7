"""What the networks are made of, as diffusers' own configurations; and how to make them small."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from toolkit.errors import WeightsError

Part = Literal["vae", "unet"]
PARTS: tuple[Part, ...] = ("vae", "unet")
Architecture = Mapping[Part, Mapping[str, Any]]

_FOLDER = Path(__file__).parent / "architectures"
_NO_STRUCTURE = ("sample_size", "_class_name", "force_upcast")
"""Settings that leave the shapes and the sense of the weights as they are."""


def published_architecture(name: str) -> Architecture:
    """The configurations of `sd21` or `sdxl`, as their authors published them."""
    found: Architecture = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def narrowed(architecture: Architecture) -> Architecture:
    """The same layout, a few thousand times smaller: every kind of layer, hardly any width."""
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
    name: str, part: Part, expected: Mapping[str, Any], found: Mapping[str, Any], place: object
) -> None:
    """Raises `WeightsError` where a folder's configuration is that of another model."""
    for key, value in expected.items():
        if key not in _NO_STRUCTURE and key in found and found[key] != value:
            raise WeightsError(
                f"{place} holds another model than {name!r}: the {part}'s {key} is {found[key]}, "
                f"not {value}.",
                "Name a folder or file of the right model, or choose another --backbone.",
            )
