"""Fast convolutions for frozen networks, with PyTorch's rounding where gradients depend on it."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from toolkit import winograd


class Convolution:
    """A convolution with frozen weights.

    If a gradient is needed, outputs are rounded exactly as PyTorch's modules round them, because
    near zero the gradients of ReLU and L2 pooling amplify rounding differences by a factor of
    1000. Otherwise, the fastest memory format and algorithm are used.
    """

    def __init__(self, weight: Tensor, bias: Tensor, stride: int, padding: int) -> None:
        self.weight = weight
        self.bias = bias
        self._stride, self._padding = stride, padding
        on_cpu = weight.device.type == "cpu" and weight.dtype == torch.float32
        self._is_plain = on_cpu and weight.shape[2:] == (3, 3) and stride == padding == 1

    def __call__(self, x: Tensor) -> Tensor:
        """Convolves `[b, in, h, w]` to `[b, out, h', w']`."""
        if torch.is_grad_enabled() and x.requires_grad:
            if self._is_plain and x.shape[1] > 3:  # for images, PyTorch's backward pass is faster
                convolved: Tensor = _Convolve.apply(x, self)
                return convolved
            if x.dtype == torch.bfloat16 and x.device.type == "cpu":  # faster; too coarse to match
                x = x.contiguous(memory_format=torch.channels_last)
                return F.conv2d(x, self._channels_last, self.bias, self._stride, self._padding)
            return F.conv2d(x, self.weight, self.bias, self._stride, self._padding)
        if self._winograd_pays(x):
            return winograd.convolve(x, self._matrices, self.bias)
        x = x.contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, self._channels_last, self.bias, self._stride, self._padding)

    def backward(self, gradient: Tensor) -> Tensor:
        """Returns the gradient of the input, given that of the output.

        It is linear and does not amplify rounding errors, so the fastest algorithm is used.
        """
        if self._winograd_pays(gradient):
            return winograd.convolve(gradient, self._matrices, transposed=True).contiguous()
        return F.conv2d(gradient, self._flipped, padding=1)

    def _winograd_pays(self, x: Tensor) -> bool:
        batch, _, height, width = x.shape
        outputs, inputs = self.weight.shape[:2]
        return self._is_plain and winograd.pays(inputs, outputs, batch, height, width)

    @functools.cached_property
    def _channels_last(self) -> Tensor:
        return self.weight.contiguous(memory_format=torch.channels_last)

    @functools.cached_property
    def _matrices(self) -> Tensor:
        return winograd.transform(self.weight)

    @functools.cached_property
    def _flipped(self) -> Tensor:
        return self.weight.flip(2, 3).transpose(0, 1).contiguous()


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, convolution: Convolution) -> Tensor:
        ctx.convolution = convolution
        return F.conv2d(x, convolution.weight, convolution.bias, padding=1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.convolution.backward(gradient), None
