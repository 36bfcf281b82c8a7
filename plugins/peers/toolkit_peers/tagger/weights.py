"""Reads RAM's checkpoint and merges DAPE's low-rank updates into it.

Sources: Zhang et al., Recognize Anything: A Strong Image Tagging Model, 2023; Wu et al., SeeSR:
Towards Semantics-Aware Real-World Image Super-Resolution, 2024 (DAPE); Hu et al., LoRA: Low-Rank
Adaptation of Large Language Models, 2021.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch

from toolkit.plugin import Checkpoint, fill
from toolkit_peers.tagger.network import TaggerConfig, TaggerNetwork, create

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

RANK = 8
ALPHA = 1
_CAPTION_WIDTH = 768
"""Width of what the caption decoder attends to."""

# What a file may hold only if the network has it, too: more of it means another network.
_OWN = re.compile(
    r"visual_encoder\.(layers|patch_embed|norm)\.|(image_proj|wordvec_proj|fc)\.|label_embed$"
    r"|(tagging_head|vision_multi)\.encoder\.layer\.\d+\.(crossattention|intermediate|output)\."
)
_REBUILT = re.compile(r"\.(relative_position_index|attn_mask)$")
_DOWNSAMPLE = re.compile(r"(?<=visual_encoder\.layers\.)(\d+)(?=\.downsample\.)")


def read_network(config: TaggerConfig, ram: Path, dape: Path | None = None) -> TaggerNetwork:
    """Loads RAM, with DAPE's updates merged into it.

    Args:
        config: Sizes.
        ram: Checkpoint of RAM, with the weights under `model`. What it holds for captions is left.
        dape: Checkpoint of DAPE; None for RAM as it is.

    Returns:
        The network, frozen, in float32 on the CPU.

    Raises:
        WeightsError: A file is damaged or of another network; the message names file and tensor.
    """
    hollow = create(config, hollow=True).state_dict()
    values = ram_values(hollow, Checkpoint.read(ram).part("model"))
    if dape is not None:
        merge(values, dape_values(config, Checkpoint.read(dape)))
    network = create(config)
    network.load_state_dict(values, assign=True)
    return network.requires_grad_(requires_grad=False).eval()


def ram_values(tensors: Mapping[str, Tensor], checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Reads the values of a network's tensors in float32.

    Args:
        tensors: The network's tensors by name; only their shapes are used.
        checkpoint: Weights of RAM by their published names, old or new.

    Raises:
        WeightsError: A tensor is missing, of another shape, or belongs to a larger network.
    """
    own = checkpoint.renamed(
        lambda name: name if _OWN.match(name) and not _REBUILT.search(name) else None
    )
    return fill(tensors, own, names=_published_names, precision=torch.float32)


def _published_names(name: str) -> Iterator[str]:
    published = _DOWNSAMPLE.sub(lambda match: str(int(match[0]) - 1), name)
    yield published
    if published.startswith("tagging_head."):
        yield published.replace("tagging_head.", "vision_multi.", 1)


def dape_layout(config: TaggerConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors of DAPE's file by name.

    Example:
        >>> from toolkit_peers.tagger.network import FULL
        >>> len(dape_layout(FULL))
        248
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def update(layer: str, width_in: int, width: int, parts: int = 1) -> None:
        shapes[f"{layer}.lora_A"] = (parts * RANK, width_in)
        shapes[f"{layer}.lora_B"] = (parts * width, RANK)

    def attention(name: str, width_in: int, width: int) -> None:
        update(f"{name}.self.query", width, width)
        update(f"{name}.self.key", width_in, width)

    for stage, depth in enumerate(config.depths):
        width = config.embed_dim * 2**stage
        for block in range(depth):
            update(f"visual_encoder.layers.{stage}.blocks.{block}.attn.qkv", width, width, parts=2)
    for layer in range(config.head_layers):
        name = f"tagging_head.encoder.layer.{layer}.crossattention"
        attention(name, config.token_width, config.hidden_size)
    for text, seen in (("tag_encoder", config.token_width), ("text_decoder.bert", _CAPTION_WIDTH)):
        for layer in range(config.text_layers):
            name = f"{text}.encoder.layer.{layer}"
            attention(f"{name}.attention", config.text_width, config.text_width)
            attention(f"{name}.crossattention", seen, config.text_width)
    return shapes


def dape_values(config: TaggerConfig, checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Reads DAPE's updates in float32, among them those of the text networks.

    Raises:
        WeightsError: A tensor is missing, unexpected, or of another shape, such as another rank.
    """
    layout = dape_layout(config)
    hollow = {name: torch.empty(shape, device="meta") for name, shape in layout.items()}
    return fill(hollow, checkpoint, precision=torch.float32)


def merge(values: dict[str, Tensor], updates: Mapping[str, Tensor]) -> None:
    """Adds B·A·(1/8) to the weights of a network, in place, for all updates of its layers.

    The weights of the head are also those of the first layers of the tag encoder, so that updates
    of that are added as well, as by the authors' class. DAPE was trained without the tag encoder,
    whose factors B should thus be zero.

    Args:
        values: Weights of the tagger by name.
        updates: Factors by layer, as `LAYER.lora_A` and `LAYER.lora_B`. Those of other networks
            than the tagger are left.
    """
    for name, first in updates.items():
        layer, _, factor = name.rpartition(".")
        tied = layer.replace("tag_encoder.", "tagging_head.", 1)
        weight = values.get(f"{tied}.weight")
        if factor != "lora_A" or weight is None:
            continue
        second = updates[f"{layer}.lora_B"]
        if not layer.endswith(".qkv"):
            weight += second @ first * (ALPHA / RANK)
            continue
        # The rows of query, key and value; there is no update of the key.
        parts = zip((0, 2), first.chunk(2), second.chunk(2), strict=True)
        for part, part_first, part_second in parts:
            weight.chunk(3)[part].add_(part_second @ part_first * (ALPHA / RANK))
