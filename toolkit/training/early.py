"""Losses that come with their gradient, so that the graphs of two are never in memory at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Loss = Callable[[Tensor], Tensor]


def with_gradient(loss: Loss, x: Tensor) -> Tensor:
    """Computes `loss(x)` and its gradient, and frees its graph.

    A sum of such losses needs the memory of the largest instead of that of all; each keeps only its
    gradient, as large as `x`. Parameters of `loss` get no gradient.

    Args:
        loss: Returns a scalar.
        x: Of any shape.

    Example:
        >>> x = torch.tensor([3.0], requires_grad=True)
        >>> (2 * with_gradient(lambda x: x.square().sum(), x)).backward()
        >>> x.grad
        tensor([12.])
    """
    if not (torch.is_grad_enabled() and x.requires_grad):
        return loss(x)
    value: Tensor = _WithGradient.apply(loss, x)
    return value


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Loss, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            value = loss(x)
        ctx.save_for_backward(*torch.autograd.grad(value, x))
        return value.detach()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[None, Tensor]:
        [gradient] = ctx.saved_tensors
        return None, factor * gradient
