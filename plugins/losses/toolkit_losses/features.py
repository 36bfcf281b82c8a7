"""What all losses between features share: slices, prepared targets, gradients in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, Self

import torch
from torch import Tensor

from toolkit.errors import DataError

if TYPE_CHECKING:
    from toolkit_losses.convolution import Convolution

Features = list[Tensor]

_PIXELS = {"cpu": 2**16, "mps": 2**18, "cuda": 2**21}
"""How many pixels go through a network at once. On a processor the first maps of a slice shall fit
its cache and be allocated without new pages, which makes all that is not a convolution eight times
as fast."""


class Network(Protocol):
    """A classifier of frozen convolutions."""

    @property
    def layers(self) -> Sequence[Convolution]:
        """All of them."""
        ...


class FeatureLoss:
    """Distance of each image to its target by their features.

    A batch is worked through in slices. Where a gradient is wanted, it is computed with each
    slice's distance, while the features are at hand: only one slice's features are ever kept,
    whatever the batch, and the backward pass is a multiplication. Gradients of gradients are not
    supported.

    Args:
        features: Of images `[b, 3, h, w]`, in [0, 1].
        compare: Distances, `[b]`, from features of predictions and of targets.
        network: What the features are of, for the device and the precision of a tensor.
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

    def __call__(self, prediction: Tensor, target: Tensor | Sequence[Features]) -> Tensor:
        """Distance of each image, `[b]`; the target may be what `prepare` returned.

        Raises:
            DataError: The shapes differ, or a side is below 16 px.
        """
        if isinstance(target, Tensor):
            check_shapes(prediction, target)
        targets: Sequence[Tensor | Features] = (
            _slices(target) if isinstance(target, Tensor) else target
        )
        if torch.is_grad_enabled() and prediction.requires_grad:
            distances: Tensor = _DistanceWithGradient.apply(prediction, targets, self._distance)
            return distances
        pairs = zip(_slices(prediction), targets, strict=True)
        return torch.cat([self._distance(piece, each) for piece, each in pairs])

    @torch.no_grad()
    def prepare(self, target: Tensor) -> list[Features]:
        """The target's features, to be computed once where it is compared often."""
        return [self._features(piece) for piece in _slices(target.detach())]

    def frozen_bytes(self, like: Tensor) -> int:
        """What the network's weights take where `like` is; others may use the same ones."""
        layers = self._network(like).layers
        return sum(each.weight.nbytes + each.bias.nbytes for each in layers)

    def to(self, device: torch.device) -> Self:  # noqa: ARG002
        """Nothing to move: the networks are taken where the images are."""
        return self

    def _distance(self, prediction: Tensor, target: Tensor | Features) -> Tensor:
        if isinstance(target, Tensor):
            with torch.no_grad():
                target = self._features(target)
        features = self._features(prediction)
        with no_autocast(prediction):
            return self._compare(features, target)


class _DistanceWithGradient(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        prediction: Tensor,
        targets: Sequence[Tensor | Features],
        distance: Callable[[Tensor, Tensor | Features], Tensor],
    ) -> Tensor:
        distances: list[Tensor] = []
        gradients: list[Tensor] = []
        for piece, target in zip(_slices(prediction), targets, strict=True):
            leaf = piece.detach().requires_grad_()
            with torch.enable_grad():
                found = distance(leaf, target)
            gradients += torch.autograd.grad(found, leaf, torch.ones_like(found))
            distances.append(found.detach())
        ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(distances)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, weights: Tensor) -> tuple[Tensor, None, None]:
        (gradients,) = ctx.saved_tensors
        return gradients * weights.to(gradients.dtype).view(-1, 1, 1, 1), None, None


def _slices(images: Tensor) -> tuple[Tensor, ...]:
    """The batch in pieces of whole images; the same cut for the same shape and device."""
    height, width = images.shape[-2:]
    return torch.split(images, max(1, _PIXELS.get(images.device.type, 2**18) // (height * width)))


def check_shapes(prediction: Tensor, target: Tensor) -> None:
    """Broadcasting would compare what does not belong together.

    Raises:
        DataError: The shapes differ.
    """
    if prediction.shape != target.shape:
        raise DataError(
            f"A prediction of {list(prediction.shape)} cannot be compared with a target of "
            f"{list(target.shape)}.",
            "Both are [b, 3, h, w].",
        )


def no_autocast(like: Tensor) -> AbstractContextManager[Any]:
    """Within it, nothing on the device of `like` is cast; the meta device has no autocast."""
    return nullcontext() if like.is_meta else torch.autocast(like.device.type, enabled=False)


def at_least_float32(x: Tensor) -> Tensor:
    """Statistics of half-precision features are kept in float32; float64 stays."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def channel_parts(x: Tensor) -> list[slice]:
    """Channels in parts that fit a processor's cache; no fewer than fill a line of it."""
    part = max(16, 2**18 // (x.shape[0] * x.shape[2] * x.shape[3]))
    return [slice(start, start + part) for start in range(0, x.shape[1], part)]
