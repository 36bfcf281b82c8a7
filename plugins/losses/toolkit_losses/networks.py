"""The frozen classifiers whose features the perceptual losses compare; one of each a process."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from toolkit import weights
from toolkit.component import WeightFile
from toolkit.errors import DataError
from toolkit_losses.convolution import Convolution
from toolkit_losses.features import channel_parts, no_autocast
from toolkit_losses.plugin import ALEXNET, VGG16

SMALLEST = 16
"""VGG16 halves an image four times before its last stage."""
_ALEXNET = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))
"""Stride and padding of AlexNet's convolutions."""


class Vgg16:
    """The convolutions of VGG16 (Simonyan and Zisserman, 2014), ImageNet weights, frozen."""

    WIDTHS = (64, 128, 256, 512, 512)
    SHAPES = (
        (64, 3, 3), (64, 64, 3), (128, 64, 3), (128, 128, 3), (256, 128, 3), (256, 256, 3),
        (256, 256, 3), (512, 256, 3), *[(512, 512, 3)] * 5,
    )  # fmt: skip
    """Outputs, inputs and kernel of each convolution."""
    EXACT = 4
    """How many convolutions stay in float32 where the others are in half precision. Flat parts and
    edges would lose their details in 8 bits, and the gradient its direction: on the shipped
    restorer's images, EA-DISTS's would have a cosine of 0.70 to the one in float32, not 0.995."""
    _LAYERS = (2, 2, 3, 3, 3)

    def __init__(self, layers: list[Convolution]) -> None:
        self.layers = layers
        ends = [sum(self._LAYERS[:stage]) for stage in range(6)]
        self._stages = [layers[start:end] for start, end in itertools.pairwise(ends)]
        window = torch.hann_window(5, periodic=False, dtype=torch.float64)[1:-1]
        blur = torch.outer(window, window)
        self._blur = (blur / blur.sum()).to(layers[-1].weight.device)

    def __call__(self, x: Tensor, pool: Literal["max", "l2"]) -> list[Tensor]:
        """ReLU features of the five stages of a normalised image, `[b, 64..512, h/2^i, w/2^i]`.

        Args:
            x: `[b, 3, h, w]`, with ImageNet's mean and deviation taken out.
            pool: "max" as trained, or "l2": the blurred root of squares of DISTS, free of aliasing.
        """
        _check_size(x)
        features: list[Tensor] = []
        with no_autocast(x):
            for layers in self._stages:
                if features:
                    l2 = pool == "l2"
                    x = _L2Pool.apply(x, self._blur.to(x.dtype)) if l2 else F.max_pool2d(x, 2)
                for convolution in layers:
                    x = convolution(x.to(convolution.weight.dtype)).relu_()
                features.append(x)
        return features


class AlexNet:
    """The convolutions of AlexNet (Krizhevsky, 2014), ImageNet weights, frozen."""

    WIDTHS = (64, 192, 384, 256, 256)
    SHAPES = ((64, 3, 11), (192, 64, 5), (384, 192, 3), (256, 384, 3), (256, 256, 3))
    EXACT = 2

    def __init__(self, layers: list[Convolution]) -> None:
        self.layers = layers

    def __call__(self, x: Tensor) -> list[Tensor]:
        """ReLU features of the five convolutions of a normalised image, `[b, 3, h, w]`."""
        _check_size(x)
        features: list[Tensor] = []
        with no_autocast(x):
            for number, convolution in enumerate(self.layers):
                if number in (1, 2):
                    # A map smaller than the window is pooled whole, so that 16 px are enough.
                    x = F.max_pool2d(x, [min(3, side) for side in x.shape[-2:]], stride=2)
                x = convolution(x.to(convolution.weight.dtype)).relu_()
                features.append(x)
        return features


class _L2Pool(torch.autograd.Function):
    """Halves maps by √(blur(x²) + 1e-12); by hand, the backward pass is one walk over x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor) -> Tensor:
        kernel = kernel.expand(x.shape[1], 1, 3, 3)
        # With channels last, parts would not lie together.
        parts = channel_parts(x) if x.is_contiguous() else [slice(None)]
        powers = [_blurred_squares(x[:, part], kernel[part]) for part in parts]
        pooled = torch.cat(powers, 1).add_(1e-12).sqrt_()
        ctx.save_for_backward(x, kernel, pooled)
        return pooled

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        x, kernel, pooled = ctx.saved_tensors
        # PyTorch's own backward pass of such a convolution takes 50 times as long in bfloat16.
        apart = torch.zeros_like(x)
        apart[:, :, ::2, ::2] = gradient / pooled
        spread = F.conv2d(apart, kernel, padding=1, groups=x.shape[1])  # the blur is symmetric
        return spread.mul_(x), None


def _blurred_squares(x: Tensor, kernel: Tensor) -> Tensor:
    return F.conv2d(x.square(), kernel, stride=2, padding=1, groups=x.shape[1])


def vgg16(like: Tensor) -> Vgg16:
    """The one VGG16 of this process for the device and the precision of a tensor."""
    return _vgg16(like.device, _precision(like))


def alexnet(like: Tensor) -> AlexNet:
    """The one AlexNet of this process for the device and the precision of a tensor."""
    return _alexnet(like.device, _precision(like))


def heads(file: WeightFile) -> list[Tensor]:
    """The five learned weightings of LPIPS v0.1, `[1, channels, 1, 1]` each."""
    if weights.hollow():
        widths = Vgg16.WIDTHS if file == VGG16 else AlexNet.WIDTHS
        return [torch.empty(1, width, 1, 1) for width in widths]
    found = arrays(file)
    return [_tensor(found[f"NetLinLayer_{stage}"]["Conv_0"]["kernel"]) for stage in range(5)]


@functools.cache
def arrays(file: WeightFile) -> dict[str, Any]:
    """The arrays of a weight file, fetched where the cache lacks it."""
    content: dict[str, Any] = weights.read_arrays(weights.fetch(file, siblings=(VGG16, ALEXNET)))
    return content


# They outlive their first use: made while a metric scores, they must serve a training, too.
@functools.cache
@torch.inference_mode(mode=False)
def _vgg16(device: torch.device, precision: torch.dtype) -> Vgg16:
    return Vgg16(_layers(Vgg16, [(1, 1)] * 13, VGG16, device, precision))


@functools.cache
@torch.inference_mode(mode=False)
def _alexnet(device: torch.device, precision: torch.dtype) -> AlexNet:
    return AlexNet(_layers(AlexNet, _ALEXNET, ALEXNET, device, precision))


def _layers(
    network: type[Vgg16 | AlexNet],
    settings: Sequence[tuple[int, int]],
    file: WeightFile,
    device: torch.device,
    precision: torch.dtype,
) -> list[Convolution]:
    """The convolutions of a network, by stride and padding; on the meta device without values."""
    name = "VGG16_0" if file == VGG16 else "AlexNet_0"
    stored = {} if device.type == "meta" else arrays(file)[name]
    exact = precision if precision == torch.float64 else torch.float32
    made = []
    for i, ((outputs, inputs, side), setting) in enumerate(
        zip(network.SHAPES, settings, strict=True)
    ):
        dtype = exact if i < network.EXACT else precision
        if device.type == "meta":
            weight = torch.empty(outputs, inputs, side, side, device=device, dtype=dtype)
            bias = weight.new_empty(outputs)
        else:
            layer = stored[f"Conv_{i}"]
            weight = _tensor(layer["kernel"]).to(device, dtype)
            bias = torch.from_numpy(layer["bias"]).to(device, dtype)
        made.append(Convolution(weight, bias, *setting))
    return made


def _precision(like: Tensor) -> torch.dtype:
    """What autocast asks for, if it is on; so that weights are cast once and not at every call."""
    autocast = not like.is_meta and torch.is_autocast_enabled(like.device.type)
    if autocast and like.dtype != torch.float64:
        return torch.get_autocast_dtype(like.device.type)
    return like.dtype


def _check_size(x: Tensor) -> None:
    if min(x.shape[-2:]) < SMALLEST:
        raise DataError(
            f"An image of {x.shape[-1]}x{x.shape[-2]} px is too small for a perceptual loss.",
            f"Sides of at least {SMALLEST} px are needed.",
        )


def _tensor(kernel: Any) -> Tensor:
    """`[k, k, in, out]` as `[out, in, k, k]`."""
    return torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
