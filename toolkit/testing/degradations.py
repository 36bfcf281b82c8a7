"""Checks of degradations."""

from __future__ import annotations

import json

import torch
from torch import Tensor

from toolkit import contracts
from toolkit.abilities import Replayable, is_recorded
from toolkit.errors import DataError
from toolkit.interfaces import Degradation
from toolkit.makers import border
from toolkit.streams import stream
from toolkit.testing.samples import SIDE, image
from toolkit.testing.subject import Subject, demand

_SIDES = ((SIDE, SIDE), (SIDE, SIDE), (SIDE, 2 * SIDE), (2 * SIDE, SIDE))


def shapes(subject: Subject) -> None:
    """Checks size, dtype and range of LR images, and the size of targets.

    A `recorded` degradation must refuse to make LR images.
    """
    degradation: Degradation = subject.made
    hr = image(1)[0]
    contracts.target(degradation, hr)
    if is_recorded(degradation):
        _check_refuses(degradation, hr)
        return
    for number, (height, width) in enumerate(_SIDES):
        hr = image(1, height, width, seed=number)
        lr = _degrade(degradation, hr[0], number)
        demand(isinstance(lr, Tensor), f"LR must be a tensor, and is a {type(lr).__name__}")
        contracts.check_lr(degradation, lr[None], hr)
        low, high = (end.item() for end in lr.aminmax())
        demand(0 <= low <= high <= 1, f"LR must be in [0, 1], and is {low:.4g} to {high:.4g}")
        demand(lr.dtype == torch.float32, f"LR must be float32, and is {lr.dtype}")


def determinism(subject: Subject) -> None:
    """Checks that only the stream determines LR images, and that HR images are left alone."""
    degradation: Degradation = subject.made
    if is_recorded(degradation):
        return
    for number in range(4):
        hr = image(1, seed=number)[0]
        before = hr.clone()
        lr, again = (_degrade(degradation, hr, number) for _ in range(2))
        demand(torch.equal(hr, before), "the HR image must not be modified")
        demand(
            torch.equal(lr, again), "only the stream may determine LR; a second call gave another"
        )


def histories(subject: Subject) -> None:
    """Checks that a `Replayable` one makes LR images again: from histories, and in batches."""
    degradation: Degradation = subject.made
    if is_recorded(degradation) or not isinstance(degradation, Replayable):
        return
    images = image(4)
    results = [_degrade(degradation, hr, index) for index, hr in enumerate(images)]
    for index, (hr, lr) in enumerate(zip(images, results, strict=True)):
        with border(degradation):
            history = degradation.describe(0, index)
            again = degradation.describe(0, index)
        demand(history == again, "describe must be reproducible")
        try:
            stored = json.loads(json.dumps(history))
        except TypeError as error:
            raise AssertionError(f"a history must be made of JSON's types: {error}") from error
        with border(degradation):
            replayed = degradation.apply(hr, stored)
        demand(torch.equal(replayed, lr), "apply must reproduce LR from its history")
    for order in ([0, 1, 2], [2, 0, 1], [3]):
        with border(degradation):
            together = degradation.batch(images[order], 0, order)
        single = torch.stack([results[index] for index in order])
        demand(torch.equal(together, single), "a batch must equal its images one by one")


def _degrade(degradation: Degradation, hr: Tensor, number: int) -> Tensor:
    with border(degradation):
        return degradation(hr, stream(0, "degradation", number))


def _check_refuses(degradation: Degradation, hr: Tensor) -> None:
    try:
        _degrade(degradation, hr, 0)
    except DataError:
        return
    raise AssertionError("a recorded degradation must raise DataError when called")
