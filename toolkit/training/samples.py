"""Sample sheets: what the generator makes of a few crops, as training goes on."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from toolkit.contracts import predict
from toolkit.images import Picture, bicubic_resize, write_picture
from toolkit.training.data import Batch, Pairs
from toolkit.training.step import System

_COUNT = 4
_FAR = 1 << 40
"""Samples of a sheet are numbered from here, where no training step comes."""


class SampleSheet:
    """The same few crops at every visit: LR enlarged, restored, HR, side by side."""

    def __init__(self, pairs: Pairs) -> None:
        self._batches = [pairs.sample(_FAR + number) for number in range(_COUNT)]

    def write(self, system: System, path: Path) -> None:
        """Restores the crops and writes the sheet as PNG."""
        rows = [_row(system, batch) for batch in self._batches]
        write_picture(Picture(torch.cat(rows, dim=2)[0].clamp(0, 1)), path)


@torch.no_grad()
def _row(system: System, batch: Batch) -> Tensor:
    restored = predict(system.generator, batch.lr.to(system.device)).image.cpu()
    height, width = batch.hr.shape[2:]
    return torch.cat([bicubic_resize(batch.lr, (height, width)), restored, batch.hr], dim=3)
