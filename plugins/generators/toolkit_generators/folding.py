"""A UNet for one timestep and one condition: all that these make constant, computed once.

Each residual block adds a projection of the timestep to its first convolution: it becomes part of
that convolution's bias. Each cross-attention compares with keys and values of the condition: they
are kept, and the layers that made them are dropped, with the timestep's own embedding.
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
    """Whether the timestep enters the UNet by addition alone, as in every Stable Diffusion."""
    return all(each.time_embedding_norm == "default" for each in _resnets(unet)) and all(
        each.norm_q is None and not each.residual_connection and each.rescale_output_factor == 1
        for each in _cross_attentions(unet)
    )


class FoldedUNet(nn.Module):
    """The noise in latents at one timestep, under one condition.

    Args:
        unet: diffusers' `UNet2DConditionModel`, without LoRA; used up.
        timestep: The only one.
        told: What conditions it, for a batch of one.
    """

    @torch.no_grad()
    def __init__(self, unet: Any, timestep: int, told: Mapping[str, Any]) -> None:
        super().__init__()
        constants = _constants(unet, timestep, told)
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
        """`[b, c, h, w]`, sides multiples of the UNet's halvings, to the same shape."""
        x = self.conv_in(latent.to(self.conv_in.weight.dtype))
        skips = [x]
        for block in self.down_blocks:
            x, passed = block(x)
            skips += passed
        x = self.mid_block(x)
        for block in self.up_blocks:
            count = len(block.resnets)
            x = block(x, tuple(skips[-count:]))
            del skips[-count:]
        noise: Tensor = self.out(x)
        return noise


class _ConstantText(nn.Module):
    """Attention to a condition that never changes: an attention processor for diffusers.

    Args:
        key: `[1, tokens, heads · d]`.
        value: Of the same shape.
        heads: How many there are.
    """

    def __init__(self, key: Tensor, value: Tensor, heads: int) -> None:
        super().__init__()
        self.key, self.value = nn.Buffer(_by_head(key, heads)), nn.Buffer(_by_head(value, heads))
        self._heads = heads

    def forward(self, attention: Any, hidden_states: Tensor, *_args: Any, **_told: Any) -> Tensor:
        """`[b, places, width]` to the same shape."""
        batch = len(hidden_states)
        attended = F.scaled_dot_product_attention(
            _by_head(attention.to_q(hidden_states), self._heads),
            self.key.expand(batch, -1, -1, -1),
            self.value.expand(batch, -1, -1, -1),
            scale=attention.scale,
        )
        out: Tensor = attention.to_out[0](attended.transpose(1, 2).flatten(2))
        return out


def _by_head(x: Tensor, heads: int) -> Tensor:
    """`[b, places, heads · d]` to `[b, heads, places, d]`."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def _constants(unet: Any, timestep: int, told: Mapping[str, Any]) -> dict[nn.Module, Tensor]:
    """What the layers that see no image give, by running the UNet once on the smallest latent."""
    seen: dict[nn.Module, Tensor] = {}
    blind = [each.time_emb_proj for each in _resnets(unet)]
    for attention in _cross_attentions(unet):
        blind += [attention.to_k, attention.to_v]
    hooks = [
        layer.register_forward_hook(lambda layer, _inputs, output: seen.update({layer: output}))
        for layer in blind
    ]
    side = 2 ** (len(unet.config.block_out_channels) - 1)
    like = unet.conv_in.weight
    unet(like.new_zeros(1, unet.config.in_channels, side, side), timestep, **told)
    for hook in hooks:
        hook.remove()
    return seen


def _add_to_bias(convolution: nn.Conv2d, added: Tensor) -> None:
    """`added`: `[1, channels]`. The old bias may be shared, and stays as it is."""
    bias = added[0] if convolution.bias is None else convolution.bias + added[0]
    convolution.bias = nn.Parameter(bias, requires_grad=False)


def _resnets(unet: nn.Module) -> Iterator[Any]:
    for module in unet.modules():
        if isinstance(module, ResnetBlock2D) and module.time_emb_proj is not None:
            yield module


def _cross_attentions(unet: nn.Module) -> Iterator[Any]:
    for module in unet.modules():
        if isinstance(module, Attention) and module.is_cross_attention:
            yield module
