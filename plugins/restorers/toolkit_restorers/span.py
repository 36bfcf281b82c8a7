"""SPAN ×4: 6 blocks of 48 channels, 0.4 M parameters. Trained on bicubic LR images.

Source: Wan et al., Swift Parameter-free Attention Network for Efficient Super-Resolution, 2024.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from toolkit import weights
from toolkit.plugin import WeightsError
from toolkit_restorers.ncnn import read_convolutions

if TYPE_CHECKING:
    from toolkit.plugin import WeightFile

_WIDTH, _MEAN = 48, (0.4488, 0.4371, 0.4040)


def layers() -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    """Yields names and kernel shapes of the convolutions, in order of execution."""
    yield "conv_1", (_WIDTH, 3, 3, 3)
    for block in range(1, 7):
        for conv in (1, 2, 3):
            yield f"block_{block}.c{conv}_r", (_WIDTH, _WIDTH, 3, 3)
    yield "conv_2", (_WIDTH, _WIDTH, 3, 3)
    yield "conv_cat", (_WIDTH, 4 * _WIDTH, 1, 1)
    yield "upsampler.0", (3 * 16, _WIDTH, 3, 3)


def span(file: WeightFile | None) -> nn.Module:
    """Creates spandrel's network, with weights from an ncnn file or as initialised.

    During training, convolutions have parallel branches. The file contains the merged weights, so
    branches are replaced by single convolutions.
    """
    from spandrel.architectures.SPAN import SPAN

    network: nn.Module = SPAN(num_in_ch=3, num_out_ch=3, feature_channels=_WIDTH, upscale=4)
    for name, _ in layers():
        parent, _, last = name.rpartition(".")
        merged = getattr(network.get_submodule(name), "eval_conv", None)
        if isinstance(merged, nn.Conv2d):
            setattr(network.get_submodule(parent), last, merged)
    if file:
        _load(network, weights.fetch(file).read_bytes())
    return network


def _load(network: nn.Module, data: bytes) -> None:
    mean, data = data[: 4 * len(_MEAN)], data[4 * len(_MEAN) :]  # the file starts with the mean
    if not np.allclose(np.frombuffer(mean, "<f4"), _MEAN, atol=1e-4):
        raise WeightsError("these ncnn weights are not those of SPAN")
    names, shapes = zip(*layers(), strict=True)
    with torch.no_grad():
        for name, (weight, bias) in zip(names, read_convolutions(data, shapes), strict=True):
            layer = network.get_submodule(name)
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
