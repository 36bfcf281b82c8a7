"""Checks that the state of a generator or discriminator holds everything that was learnt."""

from __future__ import annotations

import torch
from torch import Tensor

from toolkit import members
from toolkit.errors import CheckpointError, ToolkitError
from toolkit.testing.calls import input_of, output, same
from toolkit.testing.subject import Subject, demand


def state(subject: Subject) -> None:
    """Loads an altered state, into the object and into a new one, which must then do the same."""
    part = subject.made
    held = {name: tensor.clone() for name, tensor in members.state(part).items()}
    for name, parameter in members.trainable(part).items():
        demand(
            held[name].shape == parameter.shape,
            f"state() has {name!r} as {list(held[name].shape)}, the parameter is "
            f"{list(parameter.shape)}",
        )
    empty = sorted(name for name, tensor in held.items() if not tensor.numel())
    demand(not empty, f"state() has tensors without elements: {empty[:3]}")
    altered = {name: _altered(tensor) for name, tensor in held.items()}
    members.load_state(part, altered)
    _compare(members.state(part), altered, "load_state")
    for name, parameter in members.trainable(part).items():
        demand(
            torch.equal(parameter.detach(), altered[name]),
            f"load_state() did not restore the parameter {name!r}",
        )
    if held:
        _check_refusal(subject, held)
        _check_another(subject, altered)
    members.load_state(part, held)


def _altered(tensor: Tensor) -> Tensor:
    if tensor.dtype == torch.bool:
        return ~tensor
    return tensor + (0.01 if tensor.is_floating_point() else 1)


def _compare(found: dict[str, Tensor], wanted: dict[str, Tensor], source: str) -> None:
    demand(found.keys() == wanted.keys(), f"{source} changes the names of the state")
    for name, tensor in wanted.items():
        demand(torch.equal(found[name], tensor), f"{source}() did not restore {name!r}")


def _check_refusal(subject: Subject, held: dict[str, Tensor]) -> None:
    """Checks that a state without one of its names is refused."""
    lost = min(held)
    try:
        members.load_state(
            subject.made, {name: tensor for name, tensor in held.items() if name != lost}
        )
    except CheckpointError:
        return
    except ToolkitError as error:
        raise AssertionError(
            f"load_state() must raise CheckpointError if a name is missing; without {lost!r} it "
            f"{str(error).removeprefix(f'{subject.maker} ')}"
        ) from error
    raise AssertionError(
        f"load_state() must raise CheckpointError if a name is missing; it accepts a state "
        f"without {lost!r}"
    )


def _check_another(subject: Subject, altered: dict[str, Tensor]) -> None:
    """Checks that the state decides what an object does: another one with it does the same."""
    other = subject.build()
    members.load_state(subject.made, altered)
    members.load_state(other, altered)
    x = input_of(subject)
    with torch.no_grad():
        first, second = (output(subject, each, x) for each in (subject.made, other))
    demand(
        same(first, second),
        "another object with the same state returns something else; state() must contain "
        "everything that was learnt",
    )
