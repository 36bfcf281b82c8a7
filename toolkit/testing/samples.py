"""Images, latents and the parts of objects, for checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from toolkit.component import Context
from toolkit.members import networks
from toolkit.registry import Registry
from toolkit.streams import torch_stream

SIDE = 64
"""Side of images."""
SCORED = 224
"""Side of images for metrics, which all of them accept."""


def image(count: int, height: int = SIDE, width: int = 0, seed: int = 0) -> Tensor:
    """Returns random images, `[count, 3, height, width]`, by default square ones."""
    shape = (count, 3, height, width or height)
    return torch.rand(shape, generator=torch_stream(seed, "image"))


def latents(registry: Registry, count: int = 2, side: int = 16) -> Tensor:
    """Returns latents of the default backbone, which every discriminator of latents accepts."""
    channels = Context(registry).make_backbone().latent_channels
    shape = (count, channels, side, side)
    return torch.randn(shape, generator=torch_stream(0, "latents"))


def modules_of(part: Any) -> dict[str, nn.Module]:
    """Returns the networks of an object: those that it names, itself, and its attributes."""
    found = dict(networks(part))
    if isinstance(part, nn.Module):
        found["itself"] = part
    return found | dict(_attributes(part))


def _attributes(part: object) -> Iterator[tuple[str, nn.Module]]:
    for name, value in getattr(part, "__dict__", {}).items():
        if isinstance(value, nn.Module):
            yield name, value
        elif isinstance(value, list | tuple | dict):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            yield from (
                (f"{name}.{key}", item) for key, item in items if isinstance(item, nn.Module)
            )
