"""Distributions of the discriminator's timesteps, in which the rows of Table 6 differ."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor

from toolkit.plugin import stream

STEPS = 1000


class Noising(Protocol):
    """Draws timesteps, and may adapt to the discriminator's logits."""

    @property
    def clean_at_zero(self) -> bool:
        """Whether t = 0 means no noise, rather than the schedule's lowest level."""
        ...

    @property
    def state(self) -> dict[str, Tensor]:
        """Adaptive state to be saved; loading writes into these tensors."""
        ...

    def draw(self, batch: int, rng: torch.Generator, device: torch.device) -> Tensor:
        """Returns timesteps, `[batch]`, on `device`."""
        ...

    def observe(self, real_logits: Tensor) -> None:
        """Called after each step with the logits of real latents, `[b, 1, h, w]`."""
        ...


class NoNoise:
    """Clean latents at t = 0, as in a vanilla GAN."""

    clean_at_zero = True

    @property
    def state(self) -> dict[str, Tensor]:
        """Empty."""
        return {}

    def draw(self, batch: int, rng: torch.Generator, device: torch.device) -> Tensor:  # noqa: ARG002
        """Returns zeros."""
        return torch.zeros(batch, dtype=torch.long, device=device)

    def observe(self, real_logits: Tensor) -> None:
        """Does nothing."""


class UniformNoise(NoNoise):
    """Timesteps of NAD: uniform over the whole schedule (section 3.2)."""

    clean_at_zero = False

    def draw(self, batch: int, rng: torch.Generator, device: torch.device) -> Tensor:
        """Returns timesteps uniform on [0, 999]."""
        return torch.randint(STEPS, (batch,), generator=rng, device=device)


class AdaptiveNoise:
    """Adaptive noise of Diffusion-GAN (Wang et al., 2023).

    Timesteps come from a pool of 64, half of them zero, half below T = 10 + p·990. Every 4 steps
    p rises if E[sign D(real)] exceeds `target`, and falls otherwise.

    Args:
        target: Target of E[sign D(real)].
        ramp: Number of images over which p moves from 0 to 1 if it only rises.
        sampling: Probability of t: "priority" for proportional to t, or "uniform".
        seed: Seed of the pools.
    """

    clean_at_zero = True
    _POOL, _INTERVAL, _INITIAL_T = 64, 4, 10

    def __init__(
        self, *, target: float, ramp: int, sampling: Literal["priority", "uniform"], seed: int
    ) -> None:
        self._target, self._ramp, self._sampling = target, ramp, sampling
        self._state = {
            "p": torch.zeros((), dtype=torch.float64, device="cpu"),
            "pool": torch.zeros(self._POOL, dtype=torch.long, device="cpu"),
            "signs": torch.zeros((), dtype=torch.float64, device="cpu"),
            "images": torch.zeros((), dtype=torch.long, device="cpu"),
            "steps": torch.zeros((), dtype=torch.long, device="cpu"),
            "seed": torch.full((), seed, dtype=torch.long, device="cpu"),
        }
        self._fill_pool()

    @property
    def state(self) -> dict[str, Tensor]:
        """p, the pool, statistics since the last update of p, the step count and the seed."""
        return self._state

    def draw(self, batch: int, rng: torch.Generator, device: torch.device) -> Tensor:
        """Returns timesteps drawn from the pool with replacement."""
        indices = torch.randint(self._POOL, (batch,), generator=rng, device=device)
        return self._state["pool"].to(device)[indices]

    def observe(self, real_logits: Tensor) -> None:
        """Accumulates statistics; every fourth step updates p and refills the pool."""
        state = self._state
        state["steps"] += 1
        state["images"] += len(real_logits)
        state["signs"] += real_logits.sign().mean().item()
        if state["steps"].item() % self._INTERVAL:
            return
        direction = (state["signs"] / self._INTERVAL - self._target).sign()
        state["p"] += direction * state["images"] / self._ramp
        state["p"].clamp_(0, 1)
        state["signs"].zero_()
        state["images"].zero_()
        self._fill_pool()

    def _fill_pool(self) -> None:
        state = self._state
        rng = stream(int(state["seed"]), "noise pool", int(state["steps"]))
        upper = self._INITIAL_T + int(state["p"].item() * (STEPS - self._INITIAL_T))
        probabilities = None
        if self._sampling == "priority":
            probabilities = [2 * t / (upper * (upper - 1)) for t in range(upper)]
        timesteps = rng.choice(upper, size=self._POOL // 2, p=probabilities)
        state["pool"].zero_()
        state["pool"][: len(timesteps)] = torch.as_tensor(timesteps, device="cpu")
