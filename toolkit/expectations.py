"""Checks values that plugins returned; errors name the component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from toolkit.devices import is_half
from toolkit.makers import Maker, described, has_member

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_FINITE = ContextVar("finite", default=True)
"""Whether values must be finite."""

Shape = Sequence[int | EllipsisType | None]
"""None stands for any length, a final ellipsis for any further dimensions."""


def expect(
    maker: Maker,
    what: str,
    value: Any,
    shape: Shape,
    *,
    on: torch.device | None = None,
    floating: bool = True,
    finite: bool = True,
    slack: float | None = None,
) -> None:
    """Raises `ComponentError` unless a value is a tensor as expected.

    Args:
        maker: The component that returned it.
        what: A noun phrase for the value, for the error message.
        value: The value.
        shape: The expected shape.
        on: The expected device; None for any.
        floating: Whether a floating dtype is expected.
        finite: Whether finite values are expected; checked in the first call only.
        slack: Tolerance around [0, 1], checked in the first call only; None for any range.
    """
    from torch import Tensor

    fits = isinstance(value, Tensor) and _fits(value.shape, shape)
    if not fits or (floating and not value.is_floating_point()):
        wanted = ", ".join(map(_length, shape))
        kind = "a float tensor" if floating else "a tensor"
        raise maker.fault(f"returned {described(value)} as {what}, not {kind} [{wanted}].")
    if on is not None and value.device != on:
        raise maker.fault(f"returned {what} on {value.device}, not on {on}.")
    finite = finite and _FINITE.get()
    if (finite or slack is not None) and maker.once(what):
        if finite and not value.is_meta and not bool(value.isfinite().all()):
            raise maker.fault(f"returned {what} with values that are not finite.")
        if slack is not None:
            expect_range(maker, what, value, slack)


@contextmanager
def finite_or_not() -> Iterator[None]:
    """Expects no finite values in its block, which looks for others by itself."""
    token = _FINITE.set(False)
    try:
        yield
    finally:
        _FINITE.reset(token)


def expect_range(maker: Maker, what: str, value: Tensor, slack: float) -> None:
    """Raises `ComponentError` if values are outside of [0, 1] by more than `slack`."""
    if value.is_meta or not value.numel():
        return
    low, high = (end.item() for end in value.aminmax())
    if not -slack <= low <= high <= 1 + slack:
        raise maker.fault(f"returned {what} of {low:.4g} to {high:.4g}, not in [0, 1].")


def expect_gradient(maker: Maker, what: str, value: Tensor, where: str) -> None:
    """Raises `ComponentError` if a value has no gradient."""
    if not value.requires_grad:
        raise maker.fault(f"returned {what} without a gradient {where}; is it detached?")


def expect_float32(maker: Maker, what: str, value: Tensor) -> None:
    """Raises `ComponentError` for half precision."""
    if is_half(value):
        raise maker.fault(f"returned {what} of {str(value.dtype)[6:]}, not of float32.")


def expect_members(maker: Maker, what: str, value: object, names: Sequence[str]) -> None:
    """Raises `ComponentError` unless a value has these members; evaluates no property."""
    if not all(has_member(value, name) for name in names):
        raise maker.fault(f"returned {described(value)}, not {what} of {', '.join(names)}.")


def _fits(actual: Sequence[int], shape: Shape) -> bool:
    if shape and shape[-1] is ...:
        shape = shape[:-1]
        actual = actual[: len(shape)]
    return len(actual) == len(shape) and all(
        wanted in (None, length) for length, wanted in zip(actual, shape, strict=True)
    )


def _length(wanted: int | EllipsisType | None) -> str:
    return "…" if wanted is ... else "any" if wanted is None else str(wanted)


def maps(value: object, key: type, element: type) -> bool:
    """Whether a value is a mapping with keys and elements of these types."""
    return isinstance(value, Mapping) and all(
        isinstance(name, key) and isinstance(item, element) for name, item in value.items()
    )
