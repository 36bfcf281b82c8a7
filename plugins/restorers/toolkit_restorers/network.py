"""Spandrel's networks as restorers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from toolkit.plugin import ToolkitError

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
        self._network = _moved(network.eval().requires_grad_(requires_grad=False))

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

    def network(self) -> nn.Module:
        """The network for sizes of every kind; see `toolkit.plugin.Traceable`."""
        return Fitted(self._network, self.scale, minimum=self._min_side)

    def to(self, device: torch.device) -> Network:
        """Moves the network to a device."""
        _moved(self._network, device)
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
        _moved(model.model.eval().requires_grad_(requires_grad=False))
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

    def network(self) -> nn.Module:
        """The network for sizes of every kind; see `toolkit.plugin.Traceable`.

        Raises:
            ToolkitError: The network takes square images alone.
        """
        sizes = self._model.size_requirements
        if sizes.square:
            raise ToolkitError(
                f"{self.name} takes square images alone, which a graph cannot make of others.",
                "Use PyTorch.",
            )
        network = Fitted(Model(self._model), self.scale, sizes.minimum, sizes.multiple_of)
        return network if self._model.input_channels == 3 else ByChannel(network)

    def to(self, device: torch.device) -> Described:
        """Moves the network to a device."""
        _moved(self._model.model, device)
        return self

    def _restored(self, images: Tensor) -> Tensor:
        """Restores images one by one, as spandrel admits no batches; pads them as they need."""
        images, dtype = images.to(self._model.dtype), images.dtype
        return torch.cat([self._model(image[None]) for image in images]).to(dtype)


def _moved(network: nn.Module, device: torch.device | None = None) -> nn.Module:
    """Moves a network in place; on a processor, channels last make convolutions faster."""
    network.to(device)
    kinds = {weight.device.type for weight in network.parameters()}
    last = torch.channels_last if kinds == {"cpu"} else torch.contiguous_format
    return network.to(memory_format=last)


class Fitted(nn.Module):
    """A network for images of any size: they are continued to the size that it needs.

    By reflection, as spandrel does, and by repetition beyond that.

    Args:
        network: Maps images in [0, 1].
        scale: SR pixels per LR pixel, on a side.
        minimum: Smallest side that the network accepts.
        multiple: Its sides must be multiples of this.
    """

    def __init__(self, network: nn.Module, scale: int, minimum: int = 1, multiple: int = 1) -> None:
        super().__init__()
        self._network, self._scale = network, scale
        self._minimum, self._multiple = minimum, multiple

    def forward(self, lr: Tensor) -> Tensor:
        """Maps `[b, c, h, w]` to `[b, c, scale * h, scale * w]`, in [0, 1]."""
        height, width = lr.shape[2:]
        for dim, side in ((2, height), (3, width)):
            if self._minimum > 1 or self._multiple > 1:
                lr = lr.index_select(dim, self._continued(side, lr.device))
        sr: Tensor = self._network(lr)
        return sr[..., : self._scale * height, : self._scale * width].clamp(0, 1)

    def _continued(self, side: int, device: torch.device) -> Tensor:
        """Which pixels of a side make one that the network accepts."""
        full = torch.sym_max(side, self._minimum)
        full = (full + self._multiple - 1) // self._multiple * self._multiple
        positions = torch.arange(full, device=device)
        return (side - 1 - (positions - (side - 1)).abs()).clamp(min=0)


class Model(nn.Module):
    """Spandrel's description of a network as a module; it calls some networks in their own ways.

    Args:
        model: The description; images have a size that it requires.
    """

    def __init__(self, model: ImageModelDescriptor[nn.Module]) -> None:
        super().__init__()
        self._network, self._model = model.model, model

    def forward(self, images: Tensor) -> Tensor:
        """Maps `[b, c, h, w]` to `[b, c, scale * h, scale * w]`, in [0, 1]."""
        restored: Tensor = self._model(images)
        return restored


class ByChannel(nn.Module):
    """Restores each channel with a network of one channel."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._network = network

    def forward(self, lr: Tensor) -> Tensor:
        """Maps `[b, 3, h, w]` to `[b, 3, scale * h, scale * w]`."""
        sr: Tensor = self._network(lr.reshape(-1, 1, *lr.shape[2:]))
        return sr.view(-1, 3, *sr.shape[2:])
