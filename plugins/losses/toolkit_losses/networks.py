"""The frozen classifiers whose features the perceptual losses compare."""

from __future__ import annotations

import functools
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from toolkit import weights
from toolkit.component import WeightFile
from toolkit.errors import DataError
from toolkit_losses.plugin import ALEXNET, VGG16

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SMALLEST = 16
"""VGG16 halves an image four times before its last stage."""


class Vgg16(nn.Module):
    """The convolutions of VGG16 (Simonyan and Zisserman, 2014), ImageNet weights, frozen.

    Args:
        pool: "max" as trained, or "l2": the blurred root of squares of DISTS, free of aliasing.
    """

    blur: Tensor

    WIDTHS = (64, 128, 256, 512, 512)
    _STAGES = ((0, 1), (2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12))

    def __init__(self, pool: Literal["max", "l2"]) -> None:
        super().__init__()
        self.pool = pool
        for name, tensor in convolutions(VGG16, "VGG16_0").items():
            self.register_buffer(name, tensor, persistent=False)
        window = torch.hann_window(5, periodic=False)[1:-1]
        kernel = torch.outer(window, window)
        self.register_buffer("blur", kernel / kernel.sum(), persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """ReLU features of the five stages of a normalised image, `[b, 64..512, h/2^i, w/2^i]`."""
        if min(x.shape[-2:]) < SMALLEST:
            raise DataError(
                f"An image of {x.shape[-1]}x{x.shape[-2]} px is too small for a perceptual loss.",
                f"Sides of at least {SMALLEST} px are needed.",
            )
        features = []
        for stage, layers in enumerate(self._STAGES):
            if stage:
                x = F.max_pool2d(x, 2) if self.pool == "max" else self._l2_pool(x)
            for layer in layers:
                weight, bias = getattr(self, f"weight{layer}"), getattr(self, f"bias{layer}")
                x = F.relu(F.conv2d(x, weight, bias, padding=1))
            features.append(x)
        return features

    def _l2_pool(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        kernel = self.blur.to(x.dtype).expand(channels, 1, 3, 3)
        power = F.conv2d(x * x, kernel, stride=2, padding=1, groups=channels)
        return (power + 1e-12).sqrt()


class AlexNet(nn.Module):
    """The convolutions of AlexNet (Krizhevsky, 2014), ImageNet weights, frozen."""

    WIDTHS = (64, 192, 384, 256, 256)
    _STRIDES = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))

    def __init__(self) -> None:
        super().__init__()
        for name, tensor in convolutions(ALEXNET, "AlexNet_0").items():
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """ReLU features of the five convolutions of a normalised image."""
        features = []
        for layer, (stride, padding) in enumerate(self._STRIDES):
            if layer in (1, 2):
                x = F.max_pool2d(x, 3, stride=2)
            weight, bias = getattr(self, f"weight{layer}"), getattr(self, f"bias{layer}")
            x = F.relu(F.conv2d(x, weight, bias, stride=stride, padding=padding))
            features.append(x)
        return features


@functools.cache
def convolutions(file: WeightFile, section: str) -> dict[str, Tensor]:
    """Weights and biases by layer, in torch's order; read once a process, and shared."""
    layers: dict[str, Any] = arrays(file)[section]
    found: dict[str, Tensor] = {}
    for index in range(len(layers)):
        layer = layers[f"Conv_{index}"]
        found[f"weight{index}"] = _contiguous(layer["kernel"].transpose(3, 2, 0, 1))
        found[f"bias{index}"] = _contiguous(layer["bias"])
    return found


def heads(file: WeightFile) -> list[Tensor]:
    """The five learned weightings of LPIPS v0.1, `[1, channels, 1, 1]` each."""
    return [
        _contiguous(arrays(file)[f"NetLinLayer_{index}"]["Conv_0"]["kernel"].transpose(3, 2, 0, 1))
        for index in range(5)
    ]


@functools.cache
def arrays(file: WeightFile) -> dict[str, Any]:
    """The arrays of a weight file, fetched where the cache lacks it."""
    content: dict[str, Any] = weights.read_arrays(weights.fetch(file))
    return content


def _contiguous(array: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
