"""Heads: from a trunk's features to a vote for each region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from torch import nn

Head = Literal["mlp", "convolutions"]


LEAST: Mapping[Head, int] = {"mlp": 1, "convolutions": 4}
"""The shortest side of a map that each can judge."""


def make_head(name: Head, width: int) -> nn.Sequential:
    """A head for features `[b, width, h, w]`; gives `[b, 1, ...]`."""
    return _HEADS[name](width)


def _mlp(width: int) -> nn.Sequential:
    """An MLP for each location; two layers, the paper says no more than "MLP"."""
    return nn.Sequential(nn.Conv2d(width, width, 1), nn.SiLU(), nn.Conv2d(width, 1, 1))


def _convolutions(width: int) -> nn.Sequential:
    """Two 4x4 convolutions with stride 2, as sibling systems have: each vote sees its surroundings.

    The map is halved twice; its sides must be at least 4.
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
