"""A batch of LR images and their targets."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """A batch of LR images and their targets; `s` is the scale."""

    lr: Tensor
    """`[b, 3, crop/s, crop/s]`, in [0, 1]."""
    hr: Tensor
    """`[b, 3, crop, crop]`, in [0, 1]."""
    numbers: tuple[int, ...] = ()
    """The samples' numbers in the run."""
    names: tuple[str, ...] = ()
    """The photographs' names."""
    crops: tuple[str, ...] = ()
    """Identities of the targets: within a run, equal ones have equal pixels."""

    def to(self, device: torch.device) -> Batch:
        """Returns the batch on a device."""
        return self._replace(lr=self.lr.to(device), hr=self.hr.to(device))

    def split(self, pieces: int) -> list[Batch]:
        """Splits the batch into equal pieces."""
        split, first = [], 0
        for lr, hr in zip(self.lr.chunk(pieces), self.hr.chunk(pieces), strict=True):
            piece = slice(first, first + len(hr))
            told = self.numbers[piece], self.names[piece], self.crops[piece]
            split.append(Batch(lr, hr, *told))
            first = piece.stop
        return split
