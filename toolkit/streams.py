"""Random streams from counters: the same (seed, counters) is the same stream, anywhere, anytime.

Nothing in a run draws from a global or a running generator. So a resumed run needs no generator's
state, and any sample can be made again alone.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def stream(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """A NumPy generator for one purpose at one place in a run.

    Example:
        >>> a, b = stream(0, "crop", 7), stream(0, "crop", 7)
        >>> a.integers(1000) == b.integers(1000)
        np.True_
    """
    return np.random.Generator(np.random.Philox(_entropy(seed, purpose, counters)))


def torch_stream(
    seed: int, purpose: str, *counters: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A torch generator on `device` for one purpose at one place in a run."""
    import torch

    state = int(_entropy(seed, purpose, counters).generate_state(1, np.uint64)[0])
    return torch.Generator(device=device).manual_seed(state >> 1)


def _entropy(seed: int, purpose: str, counters: tuple[int, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *counters])
