"""Prompts as embeddings, by Stable Diffusion 2's text encoder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from toolkit.plugin import Checkpoint, fill
from toolkit_peers.making import making

TOKENS = 77
_VOCABULARY = 49_408
_IN_PROJECTION = re.compile(r"(resblocks\.\d+\.attn\.)in_proj_(weight|bias)")
_OPEN_CLIP = {
    "ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}  # fmt: skip


class TextEncoder:
    """Encodes prompts.

    Args:
        network: Stable Diffusion 2's CLIP text model, or a narrow one; is frozen.
    """

    def __init__(self, network: CLIPTextModel) -> None:
        self.network = nn.Module.requires_grad_(nn.Module.train(network, False), False)

    @torch.no_grad()
    def __call__(self, *prompts: str) -> Tensor:
        """Returns the embeddings of prompts, `[prompts, 77, width]`."""
        device = next(self.network.parameters()).device
        hidden: Tensor = self.network(tokens(*prompts).to(device)).last_hidden_state
        return hidden


def tokens(*prompts: str) -> Tensor:
    """Returns the byte-pair ids of prompts, `[prompts, 77]`, padded with 0.

    A longer prompt is cut; its end token is kept.
    """
    from open_clip.tokenizer import SimpleTokenizer

    ids: Tensor = SimpleTokenizer()(list(prompts), context_length=TOKENS)
    return ids


def text_network(width: int, *, hollow: bool = False) -> CLIPTextModel:
    """Makes the text encoder with random weights or, if hollow, on the meta device.

    Args:
        width: Width of the embeddings: 1024 for Stable Diffusion 2; others make it small.
        hollow: Whether its tensors have no values.
    """
    full = width == 1024
    config = CLIPTextConfig(
        vocab_size=_VOCABULARY,
        hidden_size=width,
        intermediate_size=4096 if full else 2 * width,
        num_hidden_layers=23 if full else 2,
        num_attention_heads=16 if full else 2,
        max_position_embeddings=TOKENS,
        hidden_act="gelu",
        projection_dim=512,
    )
    with making(hollow=hollow):
        return CLIPTextModel(config)


def read_text_encoder(network: CLIPTextModel, checkpoint: Checkpoint) -> None:
    """Gives the text encoder weights in transformers' layout, or OpenCLIP's in a whole model.

    Raises:
        WeightsError: A tensor is missing, unexpected or of another shape.
    """
    if any(name.startswith("cond_stage_model.") for name in checkpoint.names):
        checkpoint = _from_open_clip(checkpoint)
    plain = checkpoint.renamed(_plain)
    values = fill(network.state_dict(), plain, lambda name: [_plain(name) or name])
    network.load_state_dict(values, assign=True)
    for parent in network.modules():
        if "position_ids" in parent._buffers:  # noqa: SLF001 - has no value in a hollow network
            parent.position_ids = torch.arange(TOKENS)[None]


def _plain(name: str) -> str | None:
    """A name without the prefix that some versions of transformers use; None for constants."""
    return None if name.endswith("position_ids") else name.removeprefix("text_model.")


def _from_open_clip(checkpoint: Checkpoint) -> Checkpoint:
    """Translates OpenCLIP's text tower; the last layer and the projection are not used."""
    prefix = "cond_stage_model.model."
    names = [name.removeprefix(prefix) for name in checkpoint.names if name.startswith(prefix)]
    last = max((int(name.split(".")[2]) for name in names if "resblocks." in name), default=-1)
    content: dict[str, Any] = {}
    for name in names:
        value = checkpoint[prefix + name]
        if name.startswith(f"transformer.resblocks.{last}.") or name in _UNUSED:
            continue
        content |= dict(_translated(name, value))
    return Checkpoint(checkpoint.label, content)


_UNUSED = ("text_projection", "logit_scale", "attn_mask")
_OUTER = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}


def _translated(name: str, value: Tensor) -> Iterable[tuple[str, Tensor]]:
    if name in _OUTER:
        yield _OUTER[name], value
        return
    inner = name.removeprefix("transformer.")
    if match := _IN_PROJECTION.fullmatch(inner):
        layer = match[1].replace("resblocks.", "encoder.layers.").replace("attn.", "self_attn.")
        for part, third in zip("qkv", value.chunk(3), strict=True):
            yield f"{layer}{part}_proj.{match[2]}", third.clone()
        return
    for theirs, ours in _OPEN_CLIP.items():
        inner = inner.replace(f".{theirs}.", f".{ours}.")
    yield inner.replace("resblocks.", "encoder.layers."), value
