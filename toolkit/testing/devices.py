"""Checks that `to` moves everything, in place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from toolkit import contracts
from toolkit.errors import ComponentError
from toolkit.members import trainable
from toolkit.testing.calls import input_of, output, same
from toolkit.testing.samples import modules_of
from toolkit.testing.subject import Subject, demand

_TRAINED = ("generator", "discriminator")
_MIXED = ("expected device", "same device", "two devices")
"""What PyTorch says of tensors on several devices."""
_CLOSE = 0.02
"""Share of the largest value by which devices may differ."""


def devices(subject: Subject) -> None:
    """Moves the object to the accelerator, if there is one, and to the meta device.

    Parameters must move, and calls must then work there.
    """
    if subject.component.kind == "discriminator" and subject.made.judges == "nothing":
        return
    x = input_of(subject)
    if torch.accelerator.is_available() and (device := torch.accelerator.current_accelerator()):
        _check_accelerator(subject, x, device)
    part = subject.take()
    meta = torch.device("meta")
    _move(subject, part, meta)
    _call_on_meta(subject, part, x.to(meta))


def _check_accelerator(subject: Subject, x: Tensor, device: torch.device) -> None:
    """Checks a call there; distances are those of the CPU, while others may draw noise there."""
    with torch.no_grad():
        expected = output(subject, subject.made, x)
        part = subject.take()
        _move(subject, part, device)
        found = output(subject, part, x.to(device))
    demand(found.device.type == device.type, f"on {device} it returns a tensor on {found.device}")
    demand(
        subject.component.kind != "loss" or same(found.cpu(), expected, _CLOSE),
        f"on {device} it returns other values than on the CPU",
    )


def _move(subject: Subject, part: Any, device: torch.device) -> None:
    before = dict(_weights(part))
    known = {id(weight) for weight in before.values()}
    contracts.move(part, device)
    moved = dict(_weights(part))
    if subject.component.kind in _TRAINED:
        # On the meta device modules have new parameters, so that a dict of theirs is outdated.
        moved |= {
            f"trainable parameter {name!r}": parameter
            for name, parameter in trainable(part).items()
            if device.type != "meta" or id(parameter) not in known
        }
    for name, weight in moved.items():
        demand(
            weight.device.type == device.type,
            f"after to({str(device)!r}), {name} is on {weight.device}; `to` moves everything, in "
            "place",
        )


def _weights(part: Any) -> Iterator[tuple[str, Tensor]]:
    for name, module in modules_of(part).items():
        for key, weight in module.named_parameters():
            yield f"parameter {key!r} of {name}", weight


def _call_on_meta(subject: Subject, part: Any, x: Tensor) -> None:
    """Calls the part on the meta device; only what several devices do wrong is an error there."""
    try:
        with torch.no_grad():
            output(subject, part, x)
    except ComponentError as error:
        told = str(error)
        if any(phrase in told for phrase in _MIXED) or " on cpu, not on meta" in told:
            raise AssertionError(
                f"after to('meta') a call mixes devices, as some tensor stays behind: {told}"
            ) from error
