"""The diffusion of ResShift: from the LR image's latent with noise to that of the HR image.

Source: Z. Yue et al., ResShift: Efficient Diffusion Model for Image Super-resolution by Residual
Shifting, 2023.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from toolkit_peers.noise import Noise

Predict = Callable[[Tensor, int], Tensor]
"""Estimates the latent of the HR image, given a scaled latent and its timestep."""


@dataclass(frozen=True)
class Step:
    """One step. All numbers are of float64, and rounded to a latent's data type when used.

    Attributes:
        timestep: What the network is told.
        scale: Factor of the latent that the network sees.
        keep: Weight of the latent in the next one.
        estimate: Weight of the network's estimate in it.
        deviation: Standard deviation of the noise that is added.
    """

    timestep: int
    scale: float
    keep: float
    estimate: float
    deviation: float


@dataclass(frozen=True)
class Schedule:
    """How far latents are shifted to the LR image at each timestep, and how noisy they are.

    Attributes:
        timesteps: Number of timesteps that the network was trained with.
        first: Square root of η at the first.
        last: Square root of η at the last.
        power: Exponent of the spacing between.
        kappa: Strength of the noise.
    """

    timesteps: int = 15
    first: float = 0.02
    last: float = 0.99
    power: float = 0.3
    kappa: float = 2.0

    @cached_property
    def etas(self) -> tuple[float, ...]:
        """Each timestep's η, the share of the LR image in the mean of a latent."""
        count = self.timesteps - 1
        ratio = self.last / self.first
        roots = (self.first * ratio ** ((t / count) ** self.power) for t in range(self.timesteps))
        return tuple(root**2 for root in roots)

    def steps(self, count: int) -> Iterator[Step]:
        """The steps, in order.

        Fewer than there are timesteps are spaced evenly from the last to the first; a single one
        starts at the last, as in SinSR.

        Args:
            count: How many, from 1 to `timesteps`.
        """
        last = self.timesteps - 1
        chosen = [last - round(index * last / max(count - 1, 1)) for index in range(count)]
        for index, timestep in enumerate(chosen):
            eta = self.etas[timestep]
            following = self.etas[chosen[index + 1]] if index + 1 < count else 0.0
            yield Step(
                timestep=timestep,
                scale=1 / math.sqrt(self.kappa**2 * eta + 1),
                keep=following / eta,
                estimate=(eta - following) / eta,
                deviation=self.kappa * math.sqrt(following / eta * (eta - following)),
            )

    def start(self, condition: Tensor, noise: Tensor) -> Tensor:
        """The latent that sampling starts from, given the enlarged LR image's."""
        return condition + self.kappa * math.sqrt(self.etas[-1]) * noise


def advance(step: Step, latent: Tensor, estimate: Tensor, noise: Tensor) -> Tensor:
    """The latent after a step."""
    return step.keep * latent + step.estimate * estimate + step.deviation * noise


def sample(
    schedule: Schedule, count: int, condition: Tensor, predict: Predict, noise: Noise
) -> Iterator[Tensor]:
    """Yields the latents after each of some steps; the last is the network's estimate.

    Noise is drawn for the start and then in every step, also in the last, which adds none.

    Args:
        schedule: The schedule.
        count: Number of steps.
        condition: Latent of the enlarged LR image.
        predict: The network.
        noise: Draws noise.
    """
    latent = schedule.start(condition, noise(condition.shape))
    for step in schedule.steps(count):
        estimate = predict(step.scale * latent, step.timestep)
        latent = advance(step, latent, estimate, noise(latent.shape))
        yield latent
