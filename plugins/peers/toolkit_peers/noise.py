"""Standard normal noise of sampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Noise = Callable[[Sequence[int]], Tensor]
"""Draws standard normal noise of a shape, float32."""


def from_posterior(moments: Tensor, noise: Noise) -> Tensor:
    """Draws an unscaled latent, `[b, c, h, w]`, from Stable Diffusion's encoder, in float32.

    Args:
        moments: Mean and log-variance, `[b, 2c, h, w]`.
        noise: Is drawn once.
    """
    mean, log_variance = moments.float().chunk(2, dim=1)
    return mean + torch.exp(log_variance.clamp(-30, 20) / 2) * noise(mean.shape)


def seeded(seed: int, device: torch.device) -> Noise:
    """Draws from one stream, which starts at a seed; the same on all devices.

    On the meta device, noise has no values.
    """
    if device.type == "meta":
        return lambda shape: torch.empty(*shape, device="meta")
    stream = torch.Generator("cpu").manual_seed(seed)
    return lambda shape: torch.randn(*shape, generator=stream, device="cpu").to(device)
