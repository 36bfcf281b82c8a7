"""Spandrel's networks as restorers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor


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


class Described:
    """Restores with any network that spandrel describes: its scale, sizes, channels and precision.

    A network of one channel restores each colour channel on its own.

    Args:
        name: Name of the restorer.
        model: Takes and returns one channel or RGB; is frozen.
    """

    def __init__(self, name: str, model: ImageModelDescriptor[nn.Module]) -> None:
        from spandrel import ModelTiling

        self.name, self.scale = name, model.scale
        self.avoids_tiles = model.tiling is not ModelTiling.SUPPORTED
        model.model.eval().requires_grad_(requires_grad=False)
        self._model = model

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The network, by name."""
        return {self.name: self._model.model}

    @torch.inference_mode()
    def __call__(self, lr: Tensor) -> Tensor:
        """Restores `[b, 3, h, w]`; returns `[b, 3, scale * h, scale * w]`, in [0, 1]."""
        if self._model.input_channels == 3:
            return self._restored(lr)
        grey = not lr.is_meta and torch.equal(lr, lr[:, :1].expand_as(lr))
        planes = lr[:, :1] if grey else lr.reshape(-1, 1, *lr.shape[2:])
        sr = self._restored(planes)
        return sr.expand(-1, 3, -1, -1).clone() if grey else sr.view(-1, 3, *sr.shape[2:])

    def to(self, device: torch.device) -> Described:
        """Moves the network to a device."""
        self._model.model.to(device)
        return self

    def _restored(self, images: Tensor) -> Tensor:
        """Restores images one by one, as spandrel admits no batches; pads them as they need."""
        images, dtype = images.to(self._model.dtype), images.dtype
        return torch.cat([self._model(image[None]) for image in images]).to(dtype)
