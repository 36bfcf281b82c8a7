"""Random streams that are determined by a seed, a purpose and counters.

Nothing in a run draws from a global or long-lived generator. A resumed run therefore needs no
generator state, and any sample can be reproduced on its own.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def stream(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """Returns a NumPy generator for one purpose at one point of a run.

    Example:
        >>> a, b = stream(0, "crop", 7), stream(0, "crop", 7)
        >>> a.integers(1000) == b.integers(1000)
        np.True_
    """
    return np.random.Generator(np.random.Philox(_entropy(seed, purpose, counters)))


def torch_stream(
    seed: int, purpose: str, *counters: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Returns a torch generator on `device` for one purpose at one point of a run."""
    import torch

    state = int(_entropy(seed, purpose, counters).generate_state(1, np.uint64)[0])
    return torch.Generator(device=device).manual_seed(state >> 1)


def _entropy(seed: int, purpose: str, counters: tuple[int, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *counters])
