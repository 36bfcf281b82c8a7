"""DISTS: structure and texture similarity of VGG16 features (Ding et al., 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from toolkit import weights
from toolkit_losses.networks import IMAGENET_MEAN, IMAGENET_STD, Vgg16
from toolkit_losses.plugin import DISTS

_STABILITY = 1e-6
_WIDTHS = [3, *Vgg16.WIDTHS]

Features = list[Tensor]


class Dists(nn.Module):
    """1 − Σ(α·structure + β·texture) over the image itself and five stages of VGG16.

    Texture compares the means of feature maps, structure their correlation; α and β are the
    authors' weights. 0 for equal images.
    """

    alpha: Tensor
    beta: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.network = Vgg16(pool="l2").eval().requires_grad_(False)
        state = torch.load(weights.fetch(DISTS), map_location="cpu", weights_only=True)
        alpha, beta = state["alpha"].flatten(), state["beta"].flatten()
        total = alpha.sum() + beta.sum()
        self.register_buffer("alpha", alpha / total, persistent=False)
        self.register_buffer("beta", beta / total, persistent=False)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, prediction: Tensor, target: Tensor | Features) -> Tensor:
        """Distance of each image, `[b]`; the target may be what `prepare` returned."""
        features = self.features(prediction)
        return self.compare(
            features, self.prepare(target) if isinstance(target, Tensor) else target
        )

    @torch.no_grad()
    def prepare(self, target: Tensor) -> Features:
        """The target's features, to be computed once where it is compared often."""
        return self.features(target)

    def features(self, image: Tensor) -> Features:
        """The image `[b, 3, h, w]`, in [0, 1], and its features at five stages."""
        return [image, *self.network((image - self.mean) / self.std)]

    def compare(self, first: Features, second: Features) -> Tensor:
        """The distance, `[b]`, from two sets of features; in float32 at least."""
        similarity = first[0].new_zeros(first[0].shape[0], dtype=torch.float32)
        alphas, betas = torch.split(self.alpha, _WIDTHS), torch.split(self.beta, _WIDTHS)
        for x, y, alpha, beta in zip(first, second, alphas, betas, strict=True):
            texture, structure = _similarities(x, y)
            similarity = similarity + texture @ alpha + structure @ beta
        return 1 - similarity


def _similarities(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Texture and structure similarity of each feature map, `[b, channels]` each."""
    x, y = _float32(x).flatten(2), _float32(y).flatten(2)
    x_mean, y_mean = x.mean(2), y.mean(2)
    texture = (2 * x_mean * y_mean + _STABILITY) / (x_mean**2 + y_mean**2 + _STABILITY)
    x, y = x - x_mean.unsqueeze(2), y - y_mean.unsqueeze(2)
    covariance = (x * y).mean(2)
    variances = x.square().mean(2) + y.square().mean(2)
    return texture, (2 * covariance + _STABILITY) / (variances + _STABILITY)


def _float32(x: Tensor) -> Tensor:
    """Statistics of half-precision features are kept in float32; float64 stays."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
