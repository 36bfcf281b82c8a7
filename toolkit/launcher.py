"""What torchrun and `accelerate launch` tell the processes that they start."""

from __future__ import annotations

import os


def rank() -> int:
    """Returns the number of this process, from 0; 0 without a launcher."""
    return int(os.environ.get("RANK", "0"))


def size() -> int:
    """Returns the number of processes; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Returns the number of this process on its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def restarts() -> int:
    """Returns how often torchrun has started all processes again after a failure."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def keeps_store() -> bool:
    """Whether the store that processes meet at is torchrun's own, and outlives them."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
