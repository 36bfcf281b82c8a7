"""The default data type of new layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def default_dtype(precision: torch.dtype) -> Iterator[None]:
    """Creates layers directly in this data type, without a copy in float32."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(precision)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
