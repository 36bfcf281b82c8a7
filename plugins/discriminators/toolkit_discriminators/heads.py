"""Heads: from the trunk's features to a logit for each region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from torch import nn

Head = Literal["mlp", "convolutions"]

MINIMUM_SIDES: Mapping[Head, int] = {"mlp": 1, "convolutions": 4}
"""The smallest side of a feature map that each head accepts."""


def make_head(name: Head, width: int) -> nn.Sequential:
    """Builds a head that maps features `[b, width, h, w]` to logits `[b, 1, ...]`."""
    return _HEADS[name](width)


def _mlp(width: int) -> nn.Sequential:
    """A two-layer MLP per location; the paper says only "MLP"."""
    return nn.Sequential(nn.Conv2d(width, width, 1), nn.SiLU(), nn.Conv2d(width, 1, 1))


def _convolutions(width: int) -> nn.Sequential:
    """Two 4x4 convolutions with stride 2, as in related systems: each logit covers a neighbourhood.

    They halve the map twice, so its sides must be at least 4.
    """
    return nn.Sequential(
        nn.Conv2d(width, width, 4, stride=2, padding=1),
        nn.GroupNorm(32, width),
        nn.SiLU(),
        nn.Conv2d(width, width, 4, stride=2, padding=1),
        nn.GroupNorm(32, width),
        nn.SiLU(),
        nn.Conv2d(width, 1, 1),
    )


_HEADS: Mapping[Head, Callable[[int], nn.Sequential]] = {
    "mlp": _mlp,
    "convolutions": _convolutions,
}
