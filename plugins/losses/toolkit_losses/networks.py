"""Frozen networks that extract features for the perceptual losses, shared within a process."""

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
from toolkit.plugin import DataError, WeightFile
from toolkit_losses.convolution import Convolution
from toolkit_losses.features import channel_parts, no_autocast
from toolkit_losses.published import ALEXNET, VGG16

MIN_SIDE = 16
"""Smallest side of an image in pixels; VGG16 halves it four times before its last stage."""
_ALEXNET = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))
"""Stride and padding of AlexNet's convolutions."""


class Vgg16:
    """The convolutions of VGG16 (Simonyan and Zisserman, 2014), ImageNet weights, frozen."""

    WIDTHS = (64, 128, 256, 512, 512)
    SHAPES = (
        (64, 3, 3), (64, 64, 3), (128, 64, 3), (128, 128, 3), (256, 128, 3), (256, 256, 3),
        (256, 256, 3), (512, 256, 3), *[(512, 512, 3)] * 5,
    )  # fmt: skip
    """Output channels, input channels and kernel size of each convolution."""
    FLOAT32_LAYERS = 4
    """Number of first convolutions that stay in float32 under autocast. In bfloat16 they would lose
    detail in flat regions and edges: on images of the shipped restorer, the cosine between the
    gradients of EA-DISTS and those in float32 would drop from 0.995 to 0.70."""
    _LAYERS = (2, 2, 3, 3, 3)

    def __init__(self, layers: list[Convolution]) -> None:
        self.layers = layers
        ends = [sum(self._LAYERS[:stage]) for stage in range(6)]
        self._stages = [layers[start:end] for start, end in itertools.pairwise(ends)]
        window = torch.hann_window(5, periodic=False, dtype=torch.float64)[1:-1]
        blur = torch.outer(window, window)
        self._blur = (blur / blur.sum()).to(layers[-1].weight.device)

    def __call__(self, x: Tensor, pool: Literal["max", "l2"]) -> list[Tensor]:
        """Returns ReLU features of the five stages, `[b, 64..512, h/2^i, w/2^i]`.

        Args:
            x: `[b, 3, h, w]`, normalised with ImageNet's mean and standard deviation.
            pool: "max", as trained, or "l2", the anti-aliased L2 pooling of DISTS.

        Raises:
            DataError: A side is below 16 px.
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
    FLOAT32_LAYERS = 2

    def __init__(self, layers: list[Convolution]) -> None:
        self.layers = layers

    def __call__(self, x: Tensor) -> list[Tensor]:
        """Returns ReLU features of the five convolutions for a normalised image, `[b, 3, h, w]`.

        Raises:
            DataError: A side is below 16 px.
        """
        _check_size(x)
        features: list[Tensor] = []
        with no_autocast(x):
            for index, convolution in enumerate(self.layers):
                if index in (1, 2):
                    # Crop the window to small maps, to support images of 16 px.
                    x = F.max_pool2d(x, [min(3, side) for side in x.shape[-2:]], stride=2)
                x = convolution(x.to(convolution.weight.dtype)).relu_()
                features.append(x)
        return features


class _L2Pool(torch.autograd.Function):
    """Halves maps by √(blur(x²) + 1e-12), with a memory-efficient backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor) -> Tensor:
        kernel = kernel.expand(x.shape[1], 1, 3, 3)
        # With channels last, the slices would not be contiguous.
        parts = channel_parts(x) if x.is_contiguous() else [slice(None)]
        blurred = [_blurred_squares(x[:, part], kernel[part]) for part in parts]
        pooled = torch.cat(blurred, 1).add_(1e-12).sqrt_()
        ctx.save_for_backward(x, kernel, pooled)
        return pooled

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        x, kernel, pooled = ctx.saved_tensors
        # PyTorch's backward pass of this convolution takes 50 times as long in bfloat16.
        upsampled = torch.zeros_like(x)
        upsampled[:, :, ::2, ::2] = gradient / pooled
        blurred = F.conv2d(upsampled, kernel, padding=1, groups=x.shape[1])  # symmetric kernel
        return blurred.mul_(x), None


def _blurred_squares(x: Tensor, kernel: Tensor) -> Tensor:
    return F.conv2d(x.square(), kernel, stride=2, padding=1, groups=x.shape[1])


def vgg16(like: Tensor) -> Vgg16:
    """Returns the process's shared VGG16 for the device and precision of a tensor."""
    return _vgg16(like.device, _precision(like))


def alexnet(like: Tensor) -> AlexNet:
    """Returns the process's shared AlexNet for the device and precision of a tensor."""
    return _alexnet(like.device, _precision(like))


def heads(file: WeightFile, *, read_weights: bool = True) -> list[Tensor]:
    """Returns the five learned weightings of LPIPS v0.1, `[1, channels, 1, 1]` each."""
    if not read_weights:
        widths = Vgg16.WIDTHS if file == VGG16 else AlexNet.WIDTHS
        return [torch.empty(1, width, 1, 1) for width in widths]
    stored = arrays(file)
    return [_tensor(stored[f"NetLinLayer_{stage}"]["Conv_0"]["kernel"]) for stage in range(5)]


@functools.cache
def arrays(file: WeightFile) -> dict[str, Any]:
    """Returns the arrays of a weight file, which is downloaded if it is not in the cache."""
    content: dict[str, Any] = weights.read_arrays(weights.fetch(file, siblings=(VGG16, ALEXNET)))
    return content


# Inference mode is off because a network first created for a metric may later serve training.
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
    """Creates the convolutions from a weight file, or without values on the meta device.

    `settings` are their strides and paddings.
    """
    name = "VGG16_0" if file == VGG16 else "AlexNet_0"
    stored = {} if device.type == "meta" else arrays(file)[name]
    full_precision = precision if precision == torch.float64 else torch.float32
    convolutions = []
    for i, ((outputs, inputs, side), setting) in enumerate(
        zip(network.SHAPES, settings, strict=True)
    ):
        dtype = full_precision if i < network.FLOAT32_LAYERS else precision
        if device.type == "meta":
            weight = torch.empty(outputs, inputs, side, side, device=device, dtype=dtype)
            bias = weight.new_empty(outputs)
        else:
            layer = stored[f"Conv_{i}"]
            weight = _tensor(layer["kernel"]).to(device, dtype)
            bias = torch.from_numpy(layer["bias"]).to(device, dtype)
        convolutions.append(Convolution(weight, bias, *setting))
    return convolutions


def _precision(like: Tensor) -> torch.dtype:
    """Returns autocast's dtype if it is enabled, so weights are cast once, not at every call."""
    autocast = not like.is_meta and torch.is_autocast_enabled(like.device.type)
    if autocast and like.dtype != torch.float64:
        return torch.get_autocast_dtype(like.device.type)
    return like.dtype


def _check_size(x: Tensor) -> None:
    if min(x.shape[-2:]) < MIN_SIDE:
        raise DataError(
            f"An image of {x.shape[-1]}x{x.shape[-2]} px is too small for a perceptual loss.",
            f"Sides of at least {MIN_SIDE} px are needed.",
        )


def _tensor(kernel: Any) -> Tensor:
    """Converts a kernel from `[k, k, in, out]` to `[out, in, k, k]`."""
    return torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
