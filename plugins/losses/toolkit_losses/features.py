"""Base of the feature losses: processing in slices, with gradients from the forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, Self

import torch
from torch import Tensor

from toolkit.plugin import DataError

if TYPE_CHECKING:
    from toolkit_losses.convolution import Convolution

Features = list[Tensor]

_PIXELS = {"cpu": 2**16, "mps": 2**18, "cuda": 2**21}
"""Pixels per slice. On a CPU, the first feature maps of a slice should fit the cache and be
allocated from memory already mapped: all operations but convolutions are then eight times as
fast."""


class Network(Protocol):
    """A frozen convolutional network."""

    @property
    def layers(self) -> Sequence[Convolution]:
        """All convolutions, in order."""
        ...


class FeatureLoss:
    """Distance between features of predictions and of targets.

    Batches are processed in slices. If a gradient is needed, it is computed in the forward pass:
    only one slice's features are in memory at a time, whatever the batch size, and the backward
    pass is a multiplication. Second-order gradients are not supported.

    Args:
        features: Extracts features from images `[b, 3, h, w]`, in [0, 1].
        compare: Computes distances, `[b]`, from features of predictions and of targets.
        network: Returns the feature network for the device and precision of a tensor.
    """

    autocast = True

    def __init__(
        self,
        features: Callable[[Tensor], Features],
        compare: Callable[[Features, Features], Tensor],
        network: Callable[[Tensor], Network],
    ) -> None:
        self._features = features
        self._compare = compare
        self._network = network

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Returns the distance of each image, `[b]`.

        Raises:
            DataError: The shapes differ, or a side is below 16 px.
        """
        check_shapes(prediction, target)
        if torch.is_grad_enabled() and prediction.requires_grad:
            distances: Tensor = _DistanceWithGradient.apply(prediction, target, self._distance)
            return distances
        pairs = zip(_slices(prediction), _slices(target), strict=True)
        return torch.cat([self._distance(*pair) for pair in pairs])

    def feature_maps(self, image: Tensor) -> dict[str, Features]:
        """Returns the features of images `[b, 3, h, w]`, in [0, 1], under "image"."""
        with torch.no_grad():
            return {"image": self._features(image)}

    def frozen_bytes(self, like: Tensor) -> int:
        """Returns the bytes of the network's weights, which losses on the same network share."""
        layers = self._network(like).layers
        return sum(layer.weight.nbytes + layer.bias.nbytes for layer in layers)

    def to(self, device: torch.device) -> Self:  # noqa: ARG002
        """Does nothing: networks are created on the device of the images."""
        return self

    def _distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            target_features = self._features(target)
        features = self._features(prediction)
        with no_autocast(prediction):
            return self._compare(features, target_features)


class _DistanceWithGradient(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        prediction: Tensor,
        target: Tensor,
        distance: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        distances: list[Tensor] = []
        gradients: list[Tensor] = []
        for images, targets in zip(_slices(prediction), _slices(target), strict=True):
            leaf = images.detach().requires_grad_()
            with torch.enable_grad():
                values = distance(leaf, targets)
            gradients += torch.autograd.grad(values, leaf, torch.ones_like(values))
            distances.append(values.detach())
        ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(distances)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, weights: Tensor) -> tuple[Tensor, None, None]:
        (gradients,) = ctx.saved_tensors
        return gradients * weights.to(gradients.dtype).view(-1, 1, 1, 1), None, None


def _slices(images: Tensor) -> tuple[Tensor, ...]:
    """Splits a batch between images; depends only on shape and device."""
    height, width = images.shape[-2:]
    return torch.split(images, max(1, _PIXELS.get(images.device.type, 2**18) // (height * width)))


def check_shapes(prediction: Tensor, target: Tensor) -> None:
    """Checks that prediction and target have the same shape, as they must not be broadcast.

    Raises:
        DataError: The shapes differ.
    """
    if prediction.shape != target.shape:
        raise DataError(
            f"Cannot compare a prediction of shape {list(prediction.shape)} with a target of "
            f"shape {list(target.shape)}.",
            "Both must be [b, 3, h, w].",
        )


def no_autocast(like: Tensor) -> AbstractContextManager[Any]:
    """Disables autocast on the device of `like`; does nothing on meta, which has no autocast."""
    return nullcontext() if like.is_meta else torch.autocast(like.device.type, enabled=False)


def at_least_float32(x: Tensor) -> Tensor:
    """Converts half precision to float32, for statistics; leaves other types unchanged."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def channel_parts(x: Tensor) -> list[slice]:
    """Splits the channels into slices that fit a CPU's cache, of at least 16 channels."""
    part = max(16, 2**18 // (x.shape[0] * x.shape[2] * x.shape[3]))
    return [slice(start, start + part) for start in range(0, x.shape[1], part)]
