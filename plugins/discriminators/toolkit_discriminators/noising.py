"""At which timesteps a discriminator judges: the one difference between the rows of Table 6."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor

from toolkit.streams import stream

STEPS = 1000


class Noising(Protocol):
    """Draws timesteps, and may learn from verdicts."""

    @property
    def clean_at_zero(self) -> bool:
        """Whether t = 0 means no noise at all, rather than the schedule's least."""
        ...

    @property
    def state(self) -> dict[str, Tensor]:
        """What it has learnt, to be saved; loading writes into these tensors."""
        ...

    def draw(self, batch: int, rng: torch.Generator, device: torch.device) -> Tensor:
        """Timesteps, `[batch]`, on `device`."""
        ...

    def observe(self, real_logits: Tensor) -> None:
        """Told of the verdicts on real latents, `[b, 1, h, w]`, after each step."""
        ...


class NoNoise:
    """Clean latents at t = 0: the vanilla GAN."""

    clean_at_zero = True

    @property
    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def draw(self, batch: int, rng: torch.Generator, device: torch.device) -> Tensor:  # noqa: ARG002
        """Zeros."""
        return torch.zeros(batch, dtype=torch.long, device=device)

    def observe(self, real_logits: Tensor) -> None:
        """Has nothing to learn."""


class UniformNoise(NoNoise):
    """NAD's: t uniform on the whole schedule (section 3.2)."""

    clean_at_zero = False

    def draw(self, batch: int, rng: torch.Generator, device: torch.device) -> Tensor:
        """Uniform on [0, 999]."""
        return torch.randint(STEPS, (batch,), generator=rng, device=device)


class AdaptiveNoise:
    """Diffusion-GAN's: as much noise as keeps the discriminator unsure (Wang et al., 2023).

    Timesteps come from a pool of 64, half of them zeros, half below T = 10 + p·990. Every 4 steps
    p goes up where the discriminator is surer of what is real than `target`, else down.

    Args:
        target: Of E[sign D(real)].
        ramp: After how many images, all one way, p has gone from 0 to 1.
        sampling: "priority": in proportion to t; or "uniform".
        seed: Decides the pools.
    """

    clean_at_zero = True
    _POOL, _INTERVAL, _LEAST = 64, 4, 10

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
        """p, the pool, what was seen since p last changed, and how many steps there were."""
        return self._state

    def draw(self, batch: int, rng: torch.Generator, device: torch.device) -> Tensor:
        """From the pool."""
        places = torch.randint(self._POOL, (batch,), generator=rng, device=device)
        return self._state["pool"].to(device)[places]

    def observe(self, real_logits: Tensor) -> None:
        """Counts; after every fourth step moves p and fills the pool anew."""
        state = self._state
        state["steps"] += 1
        state["images"] += len(real_logits)
        state["signs"] += real_logits.sign().mean().item()
        if state["steps"].item() % self._INTERVAL:
            return
        surer = (state["signs"] / self._INTERVAL - self._target).sign()
        state["p"] += surer * state["images"] / self._ramp
        state["p"].clamp_(0, 1)
        state["signs"].zero_()
        state["images"].zero_()
        self._fill_pool()

    def _fill_pool(self) -> None:
        state = self._state
        rng = stream(int(state["seed"]), "noise pool", int(state["steps"]))
        reach = self._LEAST + int(state["p"].item() * (STEPS - self._LEAST))
        weights = None
        if self._sampling == "priority":
            weights = [2 * t / (reach * (reach - 1)) for t in range(reach)]
        drawn = rng.choice(reach, size=self._POOL // 2, p=weights)
        state["pool"].zero_()
        state["pool"][: len(drawn)] = torch.as_tensor(drawn, device="cpu")
