"""The systems and engines of `engines.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

import toolkit
from toolkit.graphs import GraphRestorer, network_of, write_graph
from toolkit.images import bicubic_resize
from toolkit.streams import torch_stream
from toolkit_generators import winograd_layers

SYSTEMS = ("pocket", "span", "real-esrgan", "sd21-decoder")
ENGINES = ("torch", "channels-last", "winograd", "onnx")
GRAPH = "graph.onnx"
LATENT = 24
"""Side of the latent that the decoder gets, which makes an image of 192 px."""


class Decoder:
    """SD2.1's decoder in a restorer's place: the image fills the latent's channels."""

    name, scale = "sd21-decoder", 8

    def __init__(self) -> None:
        torch.manual_seed(0)
        vae = toolkit.make("backbone", "sd21:random").vae()
        self._network = Decoding(vae).eval().requires_grad_(requires_grad=False)

    def network(self) -> nn.Module:
        """The module that is measured."""
        return self._network

    @torch.inference_mode()
    def __call__(self, lr: Tensor) -> Tensor:
        """`[b, 3, h, w]` to `[b, 3, 8h, 8w]`."""
        sr: Tensor = self._network(lr)
        return sr

    def to(self, device: torch.device) -> Decoder:  # noqa: ARG002
        """Stays on the processor."""
        return self


class Decoding(nn.Module):
    """Decodes a latent whose four channels are those of an image, and their mean."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, lr: Tensor) -> Tensor:
        """`[b, 3, h, w]` to `[b, 3, 8h, 8w]`."""
        latent = torch.cat([lr, lr.mean(1, keepdim=True)], dim=1)
        image: Tensor = self.vae.decode(2 * latent - 1).sample
        return (image + 1) / 2


def made(system: str) -> Any:
    """The restorer of a name."""
    return Decoder() if system == "sd21-decoder" else toolkit.make("restorer", system)


def graph(system: str, folder: Path) -> None:
    """Writes the graph of a system."""
    write_graph(made(system), folder / GRAPH, {})


def work(system: str, engine: str, folder: Path, side: int) -> Callable[[], Tensor]:
    """Returns what restores one image with an engine."""
    side = LATENT if system == "sd21-decoder" else side
    coarse = torch.rand(1, 3, 9, 9, generator=torch_stream(0, "image"))
    lr = bicubic_resize(coarse, (side, side)).clamp(0, 1)
    if engine == "onnx":
        restorer = GraphRestorer(folder / GRAPH)
        return lambda: restorer(lr)
    network = plain(network_of(made(system))).to(memory_format=torch.contiguous_format)
    if engine == "winograd":
        everywhere(network)
    if engine == "channels-last":
        network, lr = network.to(memory_format=torch.channels_last), last(lr)

    @torch.inference_mode()
    def restore() -> Tensor:
        sr: Tensor = network(lr)
        return sr

    return restore


def plain(network: nn.Module) -> nn.Module:
    """Undoes the wide convolutions of a restorer."""
    for module in network.modules():
        if type(module) is winograd_layers.FrozenConvolution:
            module.__class__ = nn.Conv2d
        for name, child in module.named_children():
            if isinstance(child, winograd_layers.WideConvolution | winograd_layers.WideGroupNorm):
                setattr(module, name, child.plain)
    return network


def everywhere(network: nn.Module) -> None:
    """Lets convolutions use Winograd's algorithm in narrow networks, too."""
    with mock.patch.object(winograd_layers, "_MIN_CHANNELS", 0):
        winograd_layers.use_winograd(network)


def last(image: Tensor) -> Tensor:
    """An image with channels last."""
    return image.contiguous(memory_format=torch.channels_last)
