"""The check of gradients that generators and discriminators share."""

from __future__ import annotations

from torch import Tensor

from toolkit.interfaces import Trainable
from toolkit.members import trainable
from toolkit.testing.subject import demand


def check_gradients(part: Trainable, scalar: Tensor) -> None:
    """Checks that gradients of a scalar reach every trainable parameter, and are finite."""
    parameters = trainable(part)
    demand(parameters, "trainable() is empty, so that nothing can be trained")
    demand(scalar.requires_grad, "what it returns has no gradient; is it detached?")
    for parameter in parameters.values():
        parameter.grad = None
    scalar.backward()  # type: ignore[no-untyped-call]
    without = sorted(name for name, parameter in parameters.items() if parameter.grad is None)
    wild = sorted(
        name
        for name, parameter in parameters.items()
        if parameter.grad is not None and not bool(parameter.grad.isfinite().all())
    )
    for parameter in parameters.values():
        parameter.grad = None
    demand(not without, f"no gradient reaches the trainable parameters {without[:3]}")
    demand(not wild, f"gradients to {wild[:3]} must be finite")
