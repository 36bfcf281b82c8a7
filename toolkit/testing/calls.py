"""Calls an object of any kind with networks, for checks that several kinds share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from toolkit import contracts
from toolkit.streams import torch_stream
from toolkit.testing.samples import image, latents
from toolkit.testing.subject import Subject


def input_of(subject: Subject) -> Tensor:
    """Returns a small batch that the object takes."""
    made = subject.made
    if subject.component.kind == "discriminator" and made.judges == "latents":
        return latents(subject.registry)
    if subject.component.kind == "generator":
        return image(2, 4 * made.multiple)
    if subject.component.kind == "restorer":
        return image(1, 8)
    return image(2)


def output(subject: Subject, made: Any, x: Tensor) -> Tensor:
    """Calls an object as the core does; returns logits, distances or images."""
    kind = subject.component.kind
    if kind == "discriminator":
        return contracts.logits(made, x, draws(x))
    if kind == "loss":
        return contracts.distances(
            made, x, image(len(x), x.shape[-2], x.shape[-1], seed=1).to(x.device)
        )
    if kind == "generator":
        return contracts.predict(made, x).image
    return contracts.restored(made, x)


def draws(like: Tensor) -> Any:
    """Returns a stream of random numbers; the meta device has none, and needs none."""
    return None if like.is_meta else torch_stream(0, "draws", device=like.device)


def same(first: Tensor, second: Tensor, tolerance: float = 0.0) -> bool:
    """Whether two tensors are equal, up to a share of the largest value; NaN equals NaN."""
    if not tolerance:
        return torch.equal(first.nan_to_num(), second.nan_to_num())
    difference = (first - second).abs().max().item()
    return difference <= tolerance * max(1.0, second.abs().max().item())


def gradient(call: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Returns the gradient of a call's sum to its input."""
    x = x.clone().requires_grad_(True)
    (found,) = torch.autograd.grad(call(x).sum(), x)
    return found
