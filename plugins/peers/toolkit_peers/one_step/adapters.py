"""The layers that OSEDiff's LoRA changes."""

from __future__ import annotations

from torch import nn

_UNET = (
    "to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2", "conv_shortcut", "downsamplers.0.conv",
    "upsamplers.0.conv", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "conv_in", "conv_out",
)  # fmt: skip
_PLACES = {
    "default_encoder": ("down_blocks.", "conv_in"),
    "default_decoder": ("up_blocks.", "conv_out"),
    "default_others": ("mid_block.",),
}
REPLACED = ("conv_in",)
"""Layers of the UNet that are trained as a whole, too."""


def unet_layers(unet: nn.Module) -> dict[str, list[str]]:
    """The UNet's layers by adapter: its down blocks, up blocks and middle block have one each."""
    endings = tuple(f".{each}" for each in _UNET)
    layers = [name for name, _ in unet.named_modules() if f".{name}".endswith(endings)]
    return {
        adapter: [name for name in layers if name.startswith(places)]
        for adapter, places in _PLACES.items()
    }


def vae_layers(vae: nn.Module) -> dict[str, list[str]]:
    """The autoencoder's layers: all convolutions and linear layers that encode."""
    layers = [
        name
        for name, layer in vae.named_modules()
        if name.startswith(("encoder.", "quant_conv")) and isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    return {"default_encoder": layers}
