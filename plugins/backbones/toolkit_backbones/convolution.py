"""Frozen convolutions that are fast on a CPU where weights are many and pixels are few."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_WEIGHTS, _PIXELS = 2**23, 128
"""Measured minimum of weights and maximum of output pixels from which a matrix product is faster:
oneDNN copies all weights to a layout of its own, in every call, forward and backward."""


def use_products(network: nn.Module) -> None:
    """Lets wide convolutions compute as matrix products where that is faster, in place."""
    for module in network.modules():
        if type(module) is nn.Conv2d and _is_wide(module):
            module.__class__ = FrozenConvolution


class FrozenConvolution(nn.Conv2d):
    """A convolution that is a matrix product for small maps, if its weights are frozen float32."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolves `[b, in, h, w]` to `[b, out, h', w']`."""
        pixels = len(x) * _outputs(x.shape[2], self, 0) * _outputs(x.shape[3], self, 1)
        plain = x.dtype == self.weight.dtype == torch.float32 and x.device.type == "cpu"
        if (
            not plain
            or pixels > _PIXELS
            or self.weight.requires_grad
            or torch.is_autocast_enabled("cpu")
        ):
            return super().forward(x)
        product: Tensor = _Product.apply(x, self)
        return product


class _Product(torch.autograd.Function):
    """A convolution by way of `[b · h' · w', in · k · k]`, a row for each output pixel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: FrozenConvolution) -> Tensor:
        ctx.layer, ctx.shape = layer, x.shape
        patches = F.unfold(x, layer.kernel_size, **_geometry(layer)).transpose(1, 2)
        matrix = layer.weight.flatten(1)
        product = patches.reshape(-1, matrix.shape[1]) @ matrix.t()
        if layer.bias is not None:
            product += layer.bias
        height, width = (_outputs(x.shape[2 + side], layer, side) for side in (0, 1))
        return product.view(len(x), height, width, -1).permute(0, 3, 1, 2).contiguous()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        layer, (batch, _, height, width) = ctx.layer, ctx.shape
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, layer.out_channels)
        patches = (rows @ layer.weight.flatten(1)).view(batch, -1, layer.weight[0].numel())
        size, geometry = (height, width), _geometry(layer)
        return F.fold(patches.transpose(1, 2), size, layer.kernel_size, **geometry), None


def _geometry(layer: nn.Conv2d) -> dict[str, Any]:
    return {"padding": layer.padding, "stride": layer.stride}


def _outputs(side: int, layer: nn.Conv2d, axis: int) -> int:
    """Pixels of a side of the output."""
    padding: Any = layer.padding
    room: int = side + 2 * padding[axis] - layer.kernel_size[axis]
    return room // layer.stride[axis] + 1


def _is_wide(layer: nn.Conv2d) -> bool:
    return (
        layer.weight.numel() >= _WEIGHTS
        and layer.groups == 1
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )
