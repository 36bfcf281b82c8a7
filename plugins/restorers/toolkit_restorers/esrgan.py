"""RRDBNet ×4: 23 blocks of 64 channels, 16.7 M parameters.

Source: Wang et al., ESRGAN, 2018. Real-ESRGAN x4plus, RealSR's JPEG model and BSRGAN use this
architecture; the implementation is spandrel's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from toolkit import weights
from toolkit_restorers.ncnn import read_convolutions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.plugin import WeightFile

_BLOCKS, _WIDTH, _GROWTH = 23, 64, 32


def rrdb(file: WeightFile | None = None, *, hollow: bool = False) -> nn.Module:
    """Creates the network with weights from an ncnn file, or random; on meta if `hollow`."""
    device = "meta" if hollow else "cpu"
    if hollow or file is None:
        return _network({layer: _random(shape, device) for layer, shape in layers()}, device)
    names, shapes = zip(*layers(), strict=True)
    convolutions = read_convolutions(weights.fetch(file).read_bytes(), shapes)
    return _network(dict(zip(names, convolutions, strict=True)), device)


def layers() -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    """Yields names and kernel shapes of the convolutions, in order of execution."""
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


def _random(shape: tuple[int, int, int, int], device: str) -> tuple[Tensor, Tensor]:
    weight = torch.empty(shape, device=device)
    return nn.init.kaiming_normal_(weight).mul_(0.1), weight.new_zeros(shape[0])


def _network(state: dict[str, tuple[Tensor, Tensor]], device: str) -> nn.Module:
    from spandrel import ModelLoader

    flat = {f"{name}.weight": weight for name, (weight, _) in state.items()}
    flat |= {f"{name}.bias": bias for name, (_, bias) in state.items()}
    with torch.device(device):
        module: nn.Module = ModelLoader(device).load_from_state_dict(flat).model
    return module
