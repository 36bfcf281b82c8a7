"""Makes networks before their weights are read, and freezes them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def making(*, hollow: bool) -> Iterator[None]:
    """Networks made within are on the meta device, or have random weights, always the same."""
    if hollow:
        with torch.device("meta"):
            yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # does not affect GPU generators
        yield


def freeze(network: nn.Module) -> None:
    """Makes a network one that is not trained."""
    network.eval().requires_grad_(requires_grad=False)
