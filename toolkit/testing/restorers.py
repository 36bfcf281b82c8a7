"""Checks of restorers."""

from __future__ import annotations

import torch

from toolkit.contracts import restored
from toolkit.interfaces import Restorer
from toolkit.testing.samples import image
from toolkit.testing.subject import Subject, demand


def shapes(subject: Subject) -> None:
    """Checks that images of any size are enlarged by `scale`, in [0, 1], without gradients."""
    check_sizes(subject.made)


def check_sizes(restorer: Restorer) -> None:
    """Checks results of images of several sizes."""
    for height, width in ((16, 16), (13, 21), (1, 1)):
        sr = restored(restorer, image(1, height, width))
        low, high = (end.item() for end in sr.aminmax())
        demand(
            0 <= low <= high <= 1,
            f"SR must be in [0, 1]; that of {height} x {width} pixels is {low:.4g} to {high:.4g}",
        )
        demand(not sr.requires_grad, "SR must have no gradients")


def determinism(subject: Subject) -> None:
    """Checks that results repeat, and that LR images are left as they are."""
    lr = image(1, 8)
    first, again = restored(subject.made, lr), restored(subject.made, lr)
    demand(torch.equal(first, again), "the same image must have the same result again")
    demand(torch.equal(lr, image(1, 8)), "LR images must not be modified")
