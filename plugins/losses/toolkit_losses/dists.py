"""DISTS: structure and texture similarity of VGG16 features (Ding et al., 2020)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from toolkit import weights
from toolkit_losses.features import FeatureLoss, Features, at_least_float32, channel_parts
from toolkit_losses.networks import Vgg16, vgg16
from toolkit_losses.published import DISTS

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_STABILITY = 1e-6
_WIDTHS = [3, *Vgg16.WIDTHS]


def dists(*, read_weights: bool = True) -> FeatureLoss:
    """Creates DISTS: 1 − Σ(α·texture + β·structure) over the image and five stages of VGG16.

    Texture compares the means of feature maps, structure their correlation; α and β are the
    authors' weights.
    """
    if read_weights:
        state = weights.read_tensors(weights.fetch(DISTS))
        alpha, beta = state["alpha"].flatten(), state["beta"].flatten()
    else:
        alpha = beta = torch.ones(sum(_WIDTHS))
    total = alpha.sum() + beta.sum()
    alphas, betas = torch.split(alpha / total, _WIDTHS), torch.split(beta / total, _WIDTHS)

    def compare(first: Features, second: Features) -> Tensor:
        similarity = first[0].new_zeros(())
        for x, y, alpha, beta in zip(first, second, alphas, betas, strict=True):
            texture, structure = _similarities(at_least_float32(x), at_least_float32(y))
            similarity = similarity + texture @ alpha.to(texture) + structure @ beta.to(texture)
        return 1 - similarity

    return FeatureLoss(_features, compare, vgg16)


def _features(image: Tensor) -> Features:
    """Returns an image `[b, 3, h, w]`, in [0, 1], followed by its features at five stages."""
    mean, std = (image.new_tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _STD))
    return [image, *vgg16(image)((image - mean) / std, pool="l2")]


def _similarities(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Returns texture and structure similarity of feature maps, `[b, channels]` each."""
    x_mean, y_mean, x_variance, y_variance, covariance = _Moments.apply(x, y)
    texture = (2 * x_mean * y_mean + _STABILITY) / (x_mean**2 + y_mean**2 + _STABILITY)
    return texture, (2 * covariance + _STABILITY) / (x_variance + y_variance + _STABILITY)


class _Moments(torch.autograd.Function):
    """Means, variances and covariance of feature maps, `[b, channels]` each.

    The custom backward pass avoids temporaries of the size of the maps, and `x` and `y` may differ
    in memory format. No gradient flows to `y`, the target.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        x_mean, y_mean = x.mean((2, 3), keepdim=True), y.mean((2, 3), keepdim=True)
        parts = []
        for channels in channel_parts(x):
            first = (x[:, channels] - x_mean[:, channels]).contiguous()
            second = torch.empty_like(first)  # in the memory format of the other
            torch.sub(y[:, channels], y_mean[:, channels], out=second)
            pairs = (first, first), (second, second), (first, second)
            parts.append([(one * other).mean((2, 3)) for one, other in pairs])
        products = (torch.cat(product, 1) for product in zip(*parts, strict=True))
        moments = (x_mean.flatten(1), y_mean.flatten(1), *products)
        ctx.save_for_backward(x, y, *moments[:2])
        return moments

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        x, y, x_mean, y_mean = ctx.saved_tensors
        pixels = x.shape[2] * x.shape[3]
        to_mean, _, to_variance, _, to_covariance = (grad / pixels for grad in gradients)
        to_variance = 2 * to_variance
        constant = to_mean - to_variance * x_mean - to_covariance * y_mean
        terms = [term[:, :, None, None] for term in (constant, to_variance, to_covariance)]
        gradient = torch.empty_like(x)
        for part in channel_parts(x):
            constant, by_x, by_y = (term[:, part] for term in terms)
            out = gradient[:, part]
            torch.addcmul(constant, x[:, part], by_x, out=out).addcmul_(y[:, part], by_y)
        return gradient, None
