"""LoRA (Hu et al., 2021) for diffusion models, with peft."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from toolkit.plugin import OptionsError, did_you_mean

_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out")
_FEED_FORWARD = ("ff.net.0.proj", "ff.net.2")
_RESNET = ("conv1", "conv2", "conv_shortcut")
_SAMPLERS = ("downsamplers.0.conv", "upsamplers.0.conv")

LAYERS: Mapping[str, tuple[str, ...]] = {
    # Open in the paper; only this list explains the parameters and MACs in its Table 3.
    "dfosd": (*_ATTENTION, *_FEED_FORWARD, *_RESNET, *_SAMPLERS, "time_emb_proj"),
    "osediff": (*_ATTENTION, *_FEED_FORWARD, *_RESNET, *_SAMPLERS, "conv_in", "conv_out"),
    "img2img-turbo": (*_ATTENTION, *_FEED_FORWARD, *_RESNET, *_SAMPLERS, "conv_out"),
}
"""Named lists of layers for LoRA, as suffixes of module paths."""


def add(module: nn.Module, rank: int, alpha: float, layers: str) -> dict[str, nn.Parameter]:
    """Adds LoRA in float32, in place, initialised as identity; returns its parameters by name.

    Raises:
        OptionsError: There is no list `layers`.
    """
    if layers not in LAYERS:
        raise OptionsError(
            f"There is no list of LoRA layers named {layers!r}.{did_you_mean(layers, LAYERS)}",
            f"Available: {', '.join(LAYERS)}.",
        )
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(LAYERS[layers]))
    inject_adapter_in_model(config, module)
    parameters: dict[str, nn.Parameter] = {}
    for path, owner in module.named_modules():
        for name, parameter in list(owner.named_parameters(recurse=False)):
            if "lora_" in path:
                # peft uses the data type of the frozen weights; training needs float32.
                trained = nn.Parameter(parameter.detach().float())
                setattr(owner, name, trained)
                parameters[f"{path}.{name}".replace(".default", "")] = trained
    return parameters


@torch.no_grad()
def merge(module: nn.Module) -> None:
    """Replaces layers with LoRA by plain layers with new weights W + BA, in place."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BaseTunerLayer):
                setattr(parent, name, _merged(child))


def _merged(layer: BaseTunerLayer) -> nn.Module:
    base: Any = layer.get_base_layer()
    weight: Tensor = base.weight
    total = weight.float()
    for adapter in layer.active_adapters:
        total = total + layer.get_delta_weight(adapter).to(total)
    # A new parameter, as W may be shared.
    base.weight = nn.Parameter(total.to(weight.dtype), requires_grad=False)
    merged: nn.Module = base
    return merged
