"""Spandrel's networks as restorers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Network:
    """Restores with a network that upscales by 4.

    Args:
        name: Name of the restorer.
        network: Maps `[b, 3, h, w]` to `[b, 3, 4h, 4w]`; is frozen.
        min_side: Smallest side that the network accepts; smaller images are padded.
    """

    scale = 4

    def __init__(self, name: str, network: nn.Module, min_side: int = 1) -> None:
        self.name, self._min_side = name, min_side
        self._network = network.eval().requires_grad_(requires_grad=False)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The network, by name."""
        return {self.name: self._network}

    @torch.inference_mode()
    def __call__(self, lr: Tensor) -> Tensor:
        """Restores `[b, 3, h, w]`; returns `[b, 3, 4h, 4w]`, in [0, 1]."""
        height, width = lr.shape[2:]
        padding = (0, max(0, self._min_side - width), 0, max(0, self._min_side - height))
        sr = self._network(F.pad(lr, padding, mode="replicate"))
        return torch.clamp(sr[:, :, : self.scale * height, : self.scale * width], 0, 1).clone()

    def to(self, device: torch.device) -> Network:
        """Moves the network to a device."""
        self._network.to(device)
        return self
