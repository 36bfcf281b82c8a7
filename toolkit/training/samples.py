"""Sample sheets: a few crops, restored as training proceeds."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

from toolkit.contracts import predict
from toolkit.images import Picture, bicubic_resize, write_picture
from toolkit.training.data import Batch, Pairs
from toolkit.training.system import System

_COUNT = 4
_FAR = 1 << 40
"""First sample number of a sheet, out of the reach of training steps."""


class SampleSheet:
    """Writes sheets of the same few crops: enlarged LR, restored and HR side by side."""

    def __init__(self, pairs: Pairs) -> None:
        self._batches = [pairs.sample(_FAR + number) for number in range(_COUNT)]

    def write(self, system: System, path: Path) -> Path:
        """Restores the crops with the averaged weights, if there are any; writes a PNG file.

        All ranks call it together, as their weights may be sharded; the first one writes.
        """
        with system.average.in_place() if system.average else nullcontext():
            rows = [_row(system, batch) for batch in self._batches]
        if system.ranks.first:
            write_picture(Picture(torch.cat(rows, dim=2)[0].clamp(0, 1)), path)
        return path


@torch.no_grad()
def _row(system: System, batch: Batch) -> Tensor:
    restored = predict(system.generator, batch.lr.to(system.device)).image.cpu()
    height, width = batch.hr.shape[2:]
    return torch.cat([bicubic_resize(batch.lr, (height, width)), restored, batch.hr], dim=3)
