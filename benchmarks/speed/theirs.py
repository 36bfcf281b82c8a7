"""The networks of pyiqa, with the weights that the toolkit has cached: nothing is downloaded."""

from __future__ import annotations

from typing import Any
from unittest import mock

import torch
import torchvision
from pyiqa.archs.dists_arch import DISTS as Dists  # noqa: N811
from pyiqa.archs.lpips_arch import LPIPS as Lpips  # noqa: N811
from torch import Tensor, nn

from toolkit import weights
from toolkit_losses.networks import arrays, heads
from toolkit_losses.plugin import ALEXNET, DISTS, VGG16


def dists() -> nn.Module:
    """The DISTS of pyiqa, frozen."""
    with mock.patch.object(torchvision.models, "vgg16", _untrained(torchvision.models.vgg16)):
        module: nn.Module = Dists(pretrained=False)
    _give(module, arrays(VGG16)["VGG16_0"])
    state = weights.read_tensors(weights.fetch(DISTS))
    module.alpha.data, module.beta.data = state["alpha"], state["beta"]  # type: ignore[union-attr]
    return module.eval().requires_grad_(requires_grad=False)


def lpips() -> nn.Module:
    """The LPIPS of pyiqa with AlexNet, frozen."""
    with mock.patch.object(torchvision.models, "alexnet", _untrained(torchvision.models.alexnet)):
        module: Any = Lpips(net="alex", pretrained=False)
    _give(module.net, arrays(ALEXNET)["AlexNet_0"])
    for linear, head in zip(module.lins, heads(ALEXNET), strict=True):
        linear.model[-1].weight.data = head
    frozen: nn.Module = module.eval().requires_grad_(requires_grad=False)
    return frozen


def _untrained(build: Any) -> Any:
    return lambda **_options: build(weights=None)


def _give(module: nn.Module, layers: dict[str, Any]) -> None:
    """Puts weights into the convolutions, in order."""
    convolutions = [each for each in module.modules() if isinstance(each, nn.Conv2d)]
    for number, convolution in enumerate(convolutions[: len(layers)]):
        kernel: Tensor = torch.from_numpy(layers[f"Conv_{number}"]["kernel"])
        convolution.weight.data = kernel.permute(3, 2, 0, 1).contiguous()
        convolution.bias.data = torch.from_numpy(layers[f"Conv_{number}"]["bias"]).clone()  # type: ignore[union-attr]
