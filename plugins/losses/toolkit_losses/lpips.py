"""LPIPS v0.1: learned weighting of unit-length feature differences (Zhang et al., 2018)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from toolkit_losses.features import FeatureLoss, Features, at_least_float32
from toolkit_losses.networks import alexnet, heads, vgg16
from toolkit_losses.published import ALEXNET, VGG16

_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)


def lpips(network: Literal["vgg", "alex"], *, read_weights: bool = True) -> FeatureLoss:
    """Creates LPIPS: weighted squared distance of features, normalised to unit length per location.

    Sides must be at least 16 px. (With AlexNet, the authors' package needs 31 px, below which the
    second pooling window exceeds the feature map; here the window is cropped.)
    """
    weightings = heads(VGG16 if network == "vgg" else ALEXNET, read_weights=read_weights)
    classifier = vgg16 if network == "vgg" else alexnet

    def features(image: Tensor) -> Features:
        shift, scale = (image.new_tensor(values).view(1, 3, 1, 1) for values in (_SHIFT, _SCALE))
        x = (2 * image - 1 - shift) / scale
        stages = vgg16(x)(x, pool="max") if network == "vgg" else alexnet(x)(x)
        return [_unit(at_least_float32(stage)) for stage in stages]

    def compare(first: Features, second: Features) -> Tensor:
        distance = first[0].new_zeros(())
        for x, y, weighting in zip(first, second, weightings, strict=True):
            difference = (x - y).square().mean((2, 3))
            distance = distance + difference @ weighting.to(difference).flatten()
        return distance

    return FeatureLoss(features, compare, classifier)


def _unit(x: Tensor) -> Tensor:
    """Normalises to unit length; the clamp keeps the gradient finite for zero vectors."""
    return x / (x.square().sum(1, keepdim=True).clamp_min(1e-20).sqrt() + 1e-10)
