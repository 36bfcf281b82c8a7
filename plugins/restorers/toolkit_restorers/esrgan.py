"""Real-ESRGAN x4plus and RealSR's JPEG model: two trainings of one network, RRDBNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from toolkit import weights
from toolkit_restorers.ncnn import read_convolutions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.component import WeightFile

_BLOCKS, _WIDTH, _GROWTH = 23, 64, 32


class RRDB:
    """RRDBNet ×4: 23 blocks of 64 channels, 16.7 M parameters.

    The network is spandrel's; the weights are those that ncnn packages carry, in half precision.

    Source: Wang et al., ESRGAN, 2018.

    Args:
        name: Of the restorer.
        file: Its weights.
    """

    scale = 4

    def __init__(self, name: str, file: WeightFile) -> None:
        self.name = name
        if weights.hollow():
            self._network = _network({layer: _zeros(shape) for layer, shape in layers()})
            return
        names, shapes = zip(*layers(), strict=True)
        read = read_convolutions(weights.fetch(file).read_bytes(), shapes)
        self._network = _network(dict(zip(names, read, strict=True)))

    @property
    def networks(self) -> list[torch.nn.Module]:
        """For counting work."""
        return [self._network]

    @torch.inference_mode()
    def __call__(self, lr: Tensor) -> Tensor:
        """`[b, 3, h, w]` to `[b, 3, 4h, 4w]`, in [0, 1]."""
        return torch.clamp(self._network(lr), 0, 1).clone()

    def to(self, device: torch.device) -> RRDB:
        """Moves the network."""
        self._network.to(device)
        return self


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


def _zeros(shape: tuple[int, int, int, int]) -> tuple[Tensor, Tensor]:
    return torch.zeros(shape), torch.zeros(shape[0])


def _network(state: dict[str, tuple[Tensor, Tensor]]) -> torch.nn.Module:
    from spandrel import ModelLoader

    flat = {f"{name}.weight": weight for name, (weight, _) in state.items()}
    flat |= {f"{name}.bias": bias for name, (_, bias) in state.items()}
    device = "meta" if weights.hollow() else "cpu"
    module: torch.nn.Module = ModelLoader(device).load_from_state_dict(flat).model
    return module.eval().requires_grad_(requires_grad=False)
