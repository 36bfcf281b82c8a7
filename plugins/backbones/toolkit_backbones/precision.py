"""In which precision layers are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def made_in(precision: torch.dtype) -> Iterator[None]:
    """Layers are made in this precision at once, and need no copy in another."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(precision)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
