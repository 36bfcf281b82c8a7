"""Checks of metrics."""

from __future__ import annotations

import torch
from torch import Tensor

from toolkit import contracts
from toolkit.interfaces import Metric
from toolkit.testing.calls import same
from toolkit.testing.samples import SCORED, image
from toolkit.testing.subject import Subject, demand

_CLOSE = 1e-4


def shapes(subject: Subject) -> None:
    """Checks scores, `[b]`, finite and better for equal images, and the fingerprint."""
    metric: Metric = subject.made
    demand(contracts.fingerprint(metric), "a metric needs a fingerprint")
    hr, noise = image(2, SCORED), image(2, SCORED, seed=1)
    if not metric.needs_reference:
        demand(_score(metric, hr, None).isfinite().all(), "scores must be finite")
        return
    other, equal = _score(metric, noise, hr), _score(metric, hr, hr)
    demand(bool(torch.stack([equal, other]).isfinite().all()), "scores must be finite")
    better = equal > other if metric.direction == "higher" else equal < other
    demand(
        bool(better.all()),
        f"equal images must score better than different ones: {equal[0].item():.4g} and "
        f"{other[0].item():.4g}, and {metric.direction} is better",
    )


def determinism(subject: Subject) -> None:
    """Checks that scores repeat, and do not depend on the batch; images are left as they are."""
    metric: Metric = subject.made
    sr, hr = image(2, SCORED, seed=1), image(2, SCORED)
    first, again = (_score(metric, sr, hr) for _ in range(2))
    demand(torch.equal(first, again), "the same images must have the same scores again")
    alone = _score(metric, sr[:1], hr[:1])
    demand(
        same(alone.double(), first[:1].double(), _CLOSE),
        f"an image's score must not depend on its batch: {first[0].item():.6g} in a batch of two, "
        f"{alone.item():.6g} alone",
    )
    unchanged = torch.equal(sr, image(2, SCORED, seed=1)) and torch.equal(hr, image(2, SCORED))
    demand(unchanged, "images must not be modified")


def _score(metric: Metric, sr: Tensor, hr: Tensor | None) -> Tensor:
    return contracts.figures(metric, sr, hr if metric.needs_reference else None)
