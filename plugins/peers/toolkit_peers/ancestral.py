"""Ancestral sampling on a part of the timesteps, as in SeeSR and DiffBIR (DDPM, Ho et al. 2020).

ᾱ is the cumulative product of Stable Diffusion's "scaled linear" schedule of 1000 timesteps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from toolkit_peers.noise import Noise

TRAIN_TIMESTEPS = 1000
_FIRST_BETA, _LAST_BETA = 0.00085, 0.012


def alphas_cumprod(dtype: torch.dtype = torch.float32) -> Tensor:
    """ᾱ of all timesteps, `[1000]`, on the CPU.

    Args:
        dtype: Precision of the product: float32 in OSEDiff and SeeSR, float64 in DiffBIR.
    """
    ends = math.sqrt(_FIRST_BETA), math.sqrt(_LAST_BETA)
    roots = torch.linspace(*ends, TRAIN_TIMESTEPS, dtype=dtype, device="cpu")
    return (1 - roots.square()).cumprod(0)


@dataclass(frozen=True)
class Schedule:
    """The steps of a sampler, from the noisiest on."""

    timesteps: tuple[int, ...]
    """What the network is told, descending."""
    alphas: tuple[float, ...]
    """ᾱ at the timesteps."""
    previous: tuple[float, ...]
    """ᾱ after the step: that of the next timestep, or 1."""
    variance_floor: float = 0.0
    """Smallest variance of a step's noise."""
    dtype: torch.dtype = torch.float64
    """Precision in which a step's coefficients are computed."""

    @property
    def coefficients(self) -> list[tuple[float, float, float]]:
        """Of the clean latent, the sample and the noise, for each step."""
        alpha, previous = (
            torch.tensor(each, dtype=self.dtype, device="cpu")
            for each in (self.alphas, self.previous)
        )
        beta = 1 - alpha / previous
        clean = previous.sqrt() * beta / (1 - alpha)
        sample = (1 - beta).sqrt() * (1 - previous) / (1 - alpha)
        variance = ((1 - previous) / (1 - alpha) * beta).clamp(min=self.variance_floor)
        return list(zip(clean.tolist(), sample.tolist(), variance.sqrt().tolist(), strict=True))


def leading(steps: int) -> Schedule:
    """1 and up in strides of `1000 // steps`, as in SeeSR; at most 999 steps.

    Example:
        >>> leading(4).timesteps
        (751, 501, 251, 1)
    """
    alphas, stride = alphas_cumprod().tolist(), TRAIN_TIMESTEPS // steps
    timesteps = [1 + stride * number for number in reversed(range(steps))]
    after = [alphas[t - stride] if t >= stride else 1.0 for t in timesteps]
    kept = (alphas[t] for t in timesteps)
    return Schedule(tuple(timesteps), tuple(kept), tuple(after), variance_floor=1e-20)


def even(steps: int, dtype: torch.dtype = torch.float64) -> Schedule:
    """From 0 to 999, as in DiffBIR and StableSR; 0 alone for a single step.

    Args:
        steps: Number of steps.
        dtype: Precision of ᾱ and of the coefficients: float32 in StableSR, which makes a difference
            of 1e-5 in 200 steps.

    Example:
        >>> even(4).timesteps
        (999, 666, 333, 0)
    """
    alphas, position = alphas_cumprod(torch.float64).to(dtype).tolist(), 0.0
    timesteps = []
    for _ in range(steps):
        timesteps.append(round(position))
        # Repeated addition rounds to other timesteps than a product, at 21 steps for example.
        position += (TRAIN_TIMESTEPS - 1) / max(1, steps - 1)
    kept = [alphas[t] for t in timesteps]
    after = [1.0, *kept[:-1]]
    return Schedule(tuple(timesteps[::-1]), tuple(kept[::-1]), tuple(after[::-1]), dtype=dtype)


def add_noise(clean: Tensor, noise: Tensor, alpha: float) -> Tensor:
    """Noises a latent to where ᾱ is `alpha`."""
    return math.sqrt(alpha) * clean + math.sqrt(1 - alpha) * noise


def x0(sample: Tensor, eps: Tensor, alpha: float) -> Tensor:
    """The clean latent if `eps` is the noise of a sample at ᾱ = `alpha`."""
    return math.sqrt(1 / alpha) * sample - math.sqrt(1 / alpha - 1) * eps


def guided(positive: Tensor, negative: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022); a scale of 1 gives `positive`."""
    return negative + scale * (positive - negative)


def rescaled_guidance(scale: float, timestep: int) -> float:
    """DiffBIR's scale of guidance that rises from 1 while sampling, if `scale` exceeds 1."""
    if scale <= 1:
        return scale
    done = 1 - timestep / TRAIN_TIMESTEPS
    return 1 + scale * (1 - math.cos(math.pi * done**5)) / 2


def denoise(
    sample: Tensor, schedule: Schedule, predict: Callable[[Tensor, int], Tensor], noise: Noise
) -> Tensor:
    """Samples from a noisy latent on.

    Args:
        sample: Latent at the first timestep, float32.
        schedule: The steps.
        predict: Returns the noise (ε) in a sample at a timestep, guidance included.
        noise: Is drawn once per step, also in the last, where it has no effect.

    Returns:
        The clean latent.
    """
    steps = zip(schedule.timesteps, schedule.alphas, schedule.coefficients, strict=True)
    for timestep, alpha, (of_clean, of_sample, of_noise) in steps:
        clean = x0(sample, predict(sample, timestep), alpha)
        sample = of_clean * clean + of_sample * sample + of_noise * noise(sample.shape)
    return sample
