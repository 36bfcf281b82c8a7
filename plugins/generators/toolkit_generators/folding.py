"""A UNet specialised to one timestep and one condition, with constant activations precomputed.

The projection of the timestep in each residual block is folded into the bias of its first
convolution. Keys and values of each cross-attention are stored. The layers that computed them and
the timestep embedding are removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional as F


def is_foldable(unet: nn.Module) -> bool:
    """Returns whether `FoldedUNet` supports a UNet, as it does every Stable Diffusion's.

    The timestep must only be added, and cross-attention must be without query norm, residual
    connection or output rescaling.
    """
    return all(resnet.time_embedding_norm == "default" for resnet in _resnets(unet)) and all(
        layer.norm_q is None and not layer.residual_connection and layer.rescale_output_factor == 1
        for layer in _cross_attentions(unet)
    )


class FoldedUNet(nn.Module):
    """Predicts the noise in latents at a fixed timestep, under a fixed condition.

    Args:
        unet: A `UNet2DConditionModel` without LoRA; modified, and must not be used afterwards.
        timestep: The fixed timestep.
        conditioning: Keyword arguments of the UNet, for a batch of one.
    """

    @torch.no_grad()
    def __init__(self, unet: Any, timestep: int, conditioning: Mapping[str, Any]) -> None:
        super().__init__()
        constants = _constants(unet, timestep, conditioning)
        for resnet in _resnets(unet):
            _add_to_bias(resnet.conv1, constants[resnet.time_emb_proj])
            resnet.time_emb_proj = None
        for attention in _cross_attentions(unet):
            key, value = constants[attention.to_k], constants[attention.to_v]
            attention.processor = _ConstantText(key, value, attention.heads)
            attention.to_k = attention.to_v = None
        self.conv_in = unet.conv_in
        self.down_blocks, self.mid_block, self.up_blocks = (
            unet.down_blocks,
            unet.mid_block,
            unet.up_blocks,
        )
        self.out = nn.Sequential(unet.conv_norm_out, unet.conv_act, unet.conv_out)

    def forward(self, latent: Tensor) -> Tensor:
        """Predicts the noise in latents `[b, c, h, w]`, with sides that the UNet can halve."""
        x = self.conv_in(latent.to(self.conv_in.weight.dtype))
        skips = [x]
        for block in self.down_blocks:
            x, block_skips = block(x)
            skips += block_skips
        x = self.mid_block(x)
        for block in self.up_blocks:
            count = len(block.resnets)
            x = block(x, tuple(skips[-count:]))
            del skips[-count:]
        noise: Tensor = self.out(x)
        return noise


class _ConstantText(nn.Module):
    """Attention processor for diffusers with constant keys and values.

    Args:
        key: Keys, `[1, tokens, heads · d]`.
        value: Values, of the same shape.
        heads: Number of heads.
    """

    def __init__(self, key: Tensor, value: Tensor, heads: int) -> None:
        super().__init__()
        self.key, self.value = nn.Buffer(_by_head(key, heads)), nn.Buffer(_by_head(value, heads))
        self._heads = heads

    def forward(self, attention: Any, hidden_states: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
        """Attends from `[b, positions, width]`; returns the same shape."""
        batch = hidden_states.shape[0]  # `len` would fix it in a graph
        attended = F.scaled_dot_product_attention(
            _by_head(attention.to_q(hidden_states), self._heads),
            self.key.expand(batch, -1, -1, -1),
            self.value.expand(batch, -1, -1, -1),
            scale=attention.scale,
        )
        out: Tensor = attention.to_out[0](attended.transpose(1, 2).flatten(2))
        return out


def _by_head(x: Tensor, heads: int) -> Tensor:
    """Reshapes `[b, positions, heads · d]` to `[b, heads, positions, d]`."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def _constants(
    unet: Any, timestep: int, conditioning: Mapping[str, Any]
) -> dict[nn.Module, Tensor]:
    """Returns outputs of the layers that do not depend on the latent, from one run of the UNet."""
    outputs: dict[nn.Module, Tensor] = {}
    constant_layers = [resnet.time_emb_proj for resnet in _resnets(unet)]
    for attention in _cross_attentions(unet):
        constant_layers += [attention.to_k, attention.to_v]
    hooks = [
        layer.register_forward_hook(lambda layer, _inputs, output: outputs.update({layer: output}))
        for layer in constant_layers
    ]
    side = 2 ** (len(unet.config.block_out_channels) - 1)
    like = unet.conv_in.weight
    unet(like.new_zeros(1, unet.config.in_channels, side, side), timestep, **conditioning)
    for hook in hooks:
        hook.remove()
    return outputs


def _add_to_bias(convolution: nn.Conv2d, addend: Tensor) -> None:
    """Replaces the bias by its sum with `addend`, `[1, channels]`; the old one may be shared."""
    bias = addend[0] if convolution.bias is None else convolution.bias + addend[0]
    convolution.bias = nn.Parameter(bias, requires_grad=False)


def _resnets(unet: nn.Module) -> Iterator[Any]:
    for module in unet.modules():
        if isinstance(module, ResnetBlock2D) and module.time_emb_proj is not None:
            yield module


def _cross_attentions(unet: nn.Module) -> Iterator[Any]:
    for module in unet.modules():
        if isinstance(module, Attention) and module.is_cross_attention:
            yield module
