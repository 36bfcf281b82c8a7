"""Standard normal noise of sampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Noise = Callable[[Sequence[int]], Tensor]
"""Draws standard normal noise of a shape, float32."""


def seeded(seed: int, device: torch.device) -> Noise:
    """Draws from one stream, which starts at a seed; the same on all devices.

    On the meta device, noise has no values.
    """
    if device.type == "meta":
        return lambda shape: torch.empty(*shape, device="meta")
    stream = torch.Generator("cpu").manual_seed(seed)
    return lambda shape: torch.randn(*shape, generator=stream, device="cpu").to(device)
