"""Checks of perceptual losses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from toolkit.contracts import distances
from toolkit.devices import uses_autocast
from toolkit.interfaces import PerceptualLoss
from toolkit.testing.calls import gradient, same
from toolkit.testing.samples import SIDE, image
from toolkit.testing.subject import Subject, demand

ALIKE = 0.95
"""Minimum cosine similarity between gradients in bfloat16 and in float32."""
_CLOSE = 1e-4


def shapes(subject: Subject) -> None:
    """Checks `[b]`, finite distances of images of several sizes, and the minimum at identity."""
    loss: PerceptualLoss = subject.made
    for count, height, width in ((2, SIDE, SIDE), (1, SIDE, SIDE), (3, SIDE, SIDE + 32)):
        prediction = image(count, height, width, seed=1)
        distance = distances(loss, prediction, image(count, height, width))
        _demand_finite(distance, f"for images of {height} x {width}")
    target, flat = image(2), torch.zeros(2, 3, SIDE, SIDE)
    _demand_finite(distances(loss, flat, target), "for a flat prediction")
    _demand_finite(distances(loss, flat, flat), "for flat images")
    at_identity, elsewhere = distances(loss, target, target), distances(loss, 1 - target, target)
    demand(
        elsewhere.min().item() > at_identity.max().item(),
        f"equal images must have the smallest distance; theirs is {at_identity.max().item():.4g}, "
        f"that of others {elsewhere.min().item():.4g}",
    )


def gradients(subject: Subject) -> None:
    """Checks that gradients reach the prediction, and are finite on flat and on equal images."""
    target, flat = image(2), torch.zeros(2, 3, SIDE, SIDE)
    cases = (
        ("different images", image(2, seed=1), target),
        ("a flat prediction", flat, target),
        ("flat images", flat, flat),
        ("equal images", target, target),
    )
    for name, prediction, wanted in cases:
        found = gradient(_against(subject.made, wanted), prediction)
        demand(bool(found.isfinite().all()), f"gradients must be finite; for {name} they are not")
        if name == "different images":
            demand(found.abs().sum() > 0, "gradients to the prediction must not be all zero")


def determinism(subject: Subject) -> None:
    """Checks that calls repeat, batches do not matter, and images are left as they are."""
    prediction, target = image(2, seed=1), image(2)
    first = distances(subject.made, prediction, target)
    demand(
        same(distances(subject.made, prediction, target), first),
        "the same images must have the same distance again",
    )
    alone = distances(subject.made, prediction[:1], target[:1])
    demand(
        same(alone, first[:1], _CLOSE),
        f"an image's distance must not depend on its batch: {first[0].item():.6g} in a batch of "
        f"two, {alone.item():.6g} alone",
    )
    unchanged = torch.equal(prediction, image(2, seed=1)) and torch.equal(target, image(2))
    demand(unchanged, "images must not be modified")


def precision(subject: Subject) -> None:
    """Checks for float32, also in autocast if declared, with nearly the same gradient."""
    check_precision(subject.made, _against(subject.made, image(2)), image(2, seed=1))


def check_precision(part: object, call: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Compares the gradient in autocast with that in float32, if a part declares autocast."""
    exact = gradient(call, x)
    if uses_autocast(part):
        with torch.autocast("cpu", torch.bfloat16):
            rounded = gradient(call, x)
        likeness = torch.cosine_similarity(exact.flatten(), rounded.flatten(), dim=0).item()
        demand(likeness > ALIKE, f"autocast changes the gradient: cosine {likeness:.2f}")


def _against(loss: PerceptualLoss, target: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda prediction: distances(loss, prediction, target)


def _demand_finite(distance: Tensor, where: str) -> None:
    demand(bool(distance.isfinite().all()), f"returned distances that are not finite {where}")
