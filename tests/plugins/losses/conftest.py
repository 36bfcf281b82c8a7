"""Photographs with their degraded versions, and the authors' own modules with our weights."""

import warnings

import lpips as lpips_package
import numpy as np
import pytest
import torch
import torchvision
from DISTS_pytorch import DISTS_pt
from torch import nn

import toolkit
from toolkit import weights
from toolkit.images import bicubic_resize
from toolkit.streams import stream
from toolkit_losses.networks import arrays
from toolkit_losses.plugin import ALEXNET, DISTS, VGG16


@pytest.fixture(scope="session")
def photographs():
    """Crops of the 20 held-out photographs and of what a degradation leaves of them."""
    photos, degradation = (
        toolkit.make("dataset", "photos:heldout"),
        toolkit.make("degradation", "realesrgan"),
    )
    crops = [photos[i].hr[:, 60:156, 100:196] for i in range(len(photos))]
    lr = torch.stack([degradation(hr, stream(0, "pairs", i)) for i, hr in enumerate(crops)])
    assert len(crops) == 20
    return bicubic_resize(lr, 4).clamp(0, 1), torch.stack(crops)


def give_weights(module, file, section):
    """Puts the convolutions of a weight file into a module, in order."""
    layers = arrays(file)[section]
    convolutions = [each for each in module.modules() if isinstance(each, nn.Conv2d)]
    for number, convolution in enumerate(convolutions[: len(layers)]):
        kernel = layers[f"Conv_{number}"]["kernel"].transpose(3, 2, 0, 1)
        convolution.weight.data = torch.from_numpy(np.ascontiguousarray(kernel))
        convolution.bias.data = torch.from_numpy(layers[f"Conv_{number}"]["bias"].copy())


@pytest.fixture(scope="session")
def reference_lpips():
    """The module of the package `lpips`, for "alex" or "vgg"; [b] from images in [0, 1]."""

    def make(network):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = lpips_package.LPIPS(net=network, pnet_rand=True, verbose=False)
        file, section = (VGG16, "VGG16_0") if network == "vgg" else (ALEXNET, "AlexNet_0")
        give_weights(module.net, file, section)
        module.requires_grad_(False)
        return lambda x, y: module(x, y, normalize=True).flatten()

    return make


@pytest.fixture(scope="session")
def reference_dists():
    """The module of the package `DISTS_pytorch`; [b] from images in [0, 1]."""
    with pytest.MonkeyPatch.context() as patch:
        plain = torchvision.models.vgg16
        patch.setattr(torchvision.models, "vgg16", lambda *_, **__: plain(weights=None))
        module = DISTS_pt.DISTS(load_weights=False)
    give_weights(module, VGG16, "VGG16_0")
    state = weights.read_tensors(weights.fetch(DISTS))
    module.alpha.data, module.beta.data = state["alpha"], state["beta"]
    module.requires_grad_(False)
    return lambda x, y: module(x, y, require_grad=True, batch_average=False)
