"""LPIPS v0.1: learned weighting of unit-length feature differences (Zhang et al., 2018)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from toolkit_losses.networks import AlexNet, Vgg16, heads
from toolkit_losses.plugin import ALEXNET, VGG16

_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)

Features = list[Tensor]


class Lpips(nn.Module):
    """Weighted squared distance of features, each location's vector scaled to unit length."""

    shift: Tensor
    scale: Tensor

    def __init__(self, network: Literal["vgg", "alex"]) -> None:
        super().__init__()
        self.network: nn.Module = Vgg16(pool="max") if network == "vgg" else AlexNet()
        self.network.eval().requires_grad_(False)
        for stage, head in enumerate(heads(VGG16 if network == "vgg" else ALEXNET)):
            self.register_buffer(f"head{stage}", head, persistent=False)
        self.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE).view(1, 3, 1, 1), persistent=False)

    def forward(self, prediction: Tensor, target: Tensor | Features) -> Tensor:
        """Distance of each image, `[b]`; the target may be what `prepare` returned."""
        second = self.prepare(target) if isinstance(target, Tensor) else target
        distance = prediction.new_zeros(prediction.shape[0], dtype=torch.float32)
        for stage, (x, y) in enumerate(zip(self.features(prediction), second, strict=True)):
            weighted = (x - y).square() * getattr(self, f"head{stage}")
            distance = distance + weighted.sum(1).mean((1, 2))
        return distance

    @torch.no_grad()
    def prepare(self, target: Tensor) -> Features:
        """The target's features, to be computed once where it is compared often."""
        return self.features(target)

    def features(self, image: Tensor) -> Features:
        """Unit-length features of an image in [0, 1], at five stages."""
        stages = self.network((2 * image - 1 - self.shift) / self.scale)
        return [_unit(stage if stage.dtype == torch.float64 else stage.float()) for stage in stages]


def _unit(x: Tensor) -> Tensor:
    """Divides by the length; the clamp keeps the root's gradient finite where all is zero."""
    return x / (x.square().sum(1, keepdim=True).clamp_min(1e-20).sqrt() + 1e-10)
