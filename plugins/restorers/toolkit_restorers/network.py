"""A network of spandrel's as a restorer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Network:
    """Enlarges by 4.

    Args:
        name: Of the restorer.
        network: `[b, 3, h, w]` to `[b, 3, 4h, 4w]`; is frozen.
        least: Of height and width, what the network takes; smaller images are extended to it.
    """

    scale = 4

    def __init__(self, name: str, network: nn.Module, least: int = 1) -> None:
        self.name, self._least = name, least
        self._network = network.eval().requires_grad_(requires_grad=False)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """For counting work."""
        return {self.name: self._network}

    @torch.inference_mode()
    def __call__(self, lr: Tensor) -> Tensor:
        """`[b, 3, h, w]` to `[b, 3, 4h, 4w]`, in [0, 1]."""
        height, width = lr.shape[2:]
        beyond = (0, max(0, self._least - width), 0, max(0, self._least - height))
        sr = self._network(F.pad(lr, beyond, mode="replicate"))
        return torch.clamp(sr[:, :, : self.scale * height, : self.scale * width], 0, 1).clone()

    def to(self, device: torch.device) -> Network:
        """Moves the network."""
        self._network.to(device)
        return self
