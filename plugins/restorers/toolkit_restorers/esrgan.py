"""RRDBNet ×4: 23 blocks of 64 channels, 16.7 M parameters.

Source: Wang et al., ESRGAN, 2018. Real-ESRGAN x4plus, RealSR's JPEG model and BSRGAN are three
trainings of it; the network is spandrel's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from toolkit import weights
from toolkit_restorers.ncnn import read_convolutions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.component import WeightFile

_BLOCKS, _WIDTH, _GROWTH = 23, 64, 32


def rrdb(file: WeightFile | None = None) -> nn.Module:
    """The network with the weights of an ncnn file; without one, random."""
    if weights.hollow() or file is None:
        return _network({layer: _random(shape) for layer, shape in layers()})
    names, shapes = zip(*layers(), strict=True)
    read = read_convolutions(weights.fetch(file).read_bytes(), shapes)
    return _network(dict(zip(names, read, strict=True)))


def layers() -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    """Names and kernels of the convolutions, in the order in which they are applied."""
    yield "conv_first", (_WIDTH, 3, 3, 3)
    for block in range(_BLOCKS):
        for dense in (1, 2, 3):
            for conv in range(5):
                width = _WIDTH if conv == 4 else _GROWTH
                shape = (width, _WIDTH + conv * _GROWTH, 3, 3)
                yield f"body.{block}.rdb{dense}.conv{conv + 1}", shape
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        yield name, (_WIDTH, _WIDTH, 3, 3)
    yield "conv_last", (3, _WIDTH, 3, 3)


def _random(shape: tuple[int, int, int, int]) -> tuple[Tensor, Tensor]:
    weight = torch.empty(shape)
    return nn.init.kaiming_normal_(weight).mul_(0.1), torch.zeros(shape[0])


def _network(state: dict[str, tuple[Tensor, Tensor]]) -> nn.Module:
    from spandrel import ModelLoader

    flat = {f"{name}.weight": weight for name, (weight, _) in state.items()}
    flat |= {f"{name}.bias": bias for name, (_, bias) in state.items()}
    device = "meta" if weights.hollow() else "cpu"
    module: nn.Module = ModelLoader(device).load_from_state_dict(flat).model
    return module
