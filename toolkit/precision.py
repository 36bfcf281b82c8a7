"""What losses and discriminators are called in: float32, unless they ask for autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def call_context(part: object, like: Tensor) -> AbstractContextManager[Any]:
    """Autocast as it is for a part that declares `autocast`, and none for any other.

    See `toolkit.interfaces.PerceptualLoss`.

    Args:
        part: A loss or a discriminator.
        like: On the device that it works on.
    """
    import torch

    if like.is_meta or getattr(part, "autocast", False):  # the meta device has no autocast
        return nullcontext()
    return torch.autocast(like.device.type, enabled=False)


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision as float32, with its gradient; anything wider, or no float, as it is."""
    return x.float() if is_half(x) else x


def is_half(x: Tensor) -> bool:
    """Whether it is of a floating type of 16 bits."""
    return x.is_floating_point() and x.element_size() == 2
