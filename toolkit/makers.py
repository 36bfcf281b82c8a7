"""Keeps track of which component made an object, so that errors can name it.

The registry admits an object that `build` returned if it has the members of its kind, and records
its maker here. If the object fails later, `border` raises an error that names the maker.
"""

from __future__ import annotations

import errno
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from inspect import getattr_static
from numbers import Integral, Real
from typing import Any

from toolkit import interfaces
from toolkit.component import Kind
from toolkit.errors import ComponentError, ToolkitError, lacks_memory, without_temporary_folder

_PROTOCOLS: Mapping[Kind, type] = {
    "generator": interfaces.Generator,
    "discriminator": interfaces.Discriminator,
    "loss": interfaces.PerceptualLoss,
    "degradation": interfaces.Degradation,
    "backbone": interfaces.Backbone,
    "metric": interfaces.Metric,
    "dataset": interfaces.Dataset,
    "restorer": interfaces.Restorer,
    "tracker": interfaces.Tracker,
}
_WORDS: Mapping[str, tuple[str, ...]] = {
    "direction": ("higher", "lower"),
    "judges": ("latents", "images", "nothing"),
}
"""Members that are one of a few words."""
_TYPES: Mapping[str, tuple[type, str]] = {
    "scale": (Integral, "a number from 1"),
    "multiple": (Integral, "a number from 1"),
    "factor": (Integral, "a number from 1"),
    "latent_channels": (Integral, "a number from 1"),
    "text_tokens": (Integral, "a number from 1"),
    "text_width": (Integral, "a number from 1"),
    "latent_scaling": (Real, "a number"),
    "name": (str, "a text"),
    "needs_reference": (bool, "True or False"),
    "shared_draws": (bool, "True or False"),
}
"""Members that are plain values, which the core calculates with."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_SPECIAL = ("__call__", "__len__", "__getitem__")


@dataclass(eq=False)
class Maker:
    """The component that made an object.

    Attributes:
        kind: The component's kind.
        name: The component's name.
        distribution: The distribution that supplies the component.
        checked: Checks of its objects that were done already.
        held: The object, if it cannot be referenced weakly, so that its id is not reused.
    """

    kind: Kind
    name: str
    distribution: str
    checked: set[str] = field(default_factory=set)
    held: object = None

    def __str__(self) -> str:
        return f"The {self.kind} {self.name!r} of {self.distribution}"

    def fault(self, what: str) -> ComponentError:
        """Returns an error about the component; `what` completes a sentence that names it."""
        return ComponentError(
            f"{self} {what}",
            f"This is a bug in {self.distribution}: report it with the output of --debug. "
            f"To choose another: toolkit plugins list --kind {self.kind}",
        )

    def translated(self, error: BaseException) -> ToolkitError:
        """Converts an exception raised inside the component to an error for users."""
        module = (getattr(error, "name", "") or "").partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and module and not _is_importable(module):
            return ToolkitError(
                f"The {self.kind} {self.name!r} needs {module}, which is not installed.",
                f"Install what {self.distribution} needs: pip install {module}",
            )
        if explained := without_temporary_folder(error):
            return explained
        message = f"{type(error).__name__}: {error}".removesuffix(": ").removesuffix(".")
        guilty = _innermost(error) or self
        if guilty is self or (guilty.kind, guilty.name) == (self.kind, self.name):
            return self.fault(f"failed with {message}.")
        caller = f"{str(self)[0].lower()}{str(self)[1:]}"
        return guilty.fault(f"failed with {message}, called by {caller}.")

    def once(self, what: str) -> bool:
        """Returns True the first time a check is named, then False."""
        first = what not in self.checked
        self.checked.add(what)
        return first


_MAKERS: dict[int, Maker] = {}
"""By id of the object, for as long as the object lives."""


def _innermost(error: BaseException) -> Maker | None:
    """Returns the maker of the innermost object whose method an exception passed through."""
    found, trace = None, error.__traceback__
    while trace:
        found = _MAKERS.get(id(trace.tb_frame.f_locals.get("self"))) or found
        trace = trace.tb_next
    return found


def maker_of(part: object) -> Maker | None:
    """Returns the maker of an object; None if no registry made it."""
    return _MAKERS.get(id(part))


def admit(made: Any, maker: Maker, source: str = "`build`") -> Any:
    """Checks that an object has the members of its kind, and records its maker.

    Args:
        made: The object.
        maker: The component that made it.
        source: The function that returned it, for the error message.

    Returns:
        The object.

    Raises:
        ComponentError: It is None, lacks a member, or a member has an invalid value.
    """
    protocol = _PROTOCOLS[maker.kind]
    if made is None:
        raise maker.fault(f"cannot be used: its {source} returned None; did it forget to return?")
    if isinstance(made, type):
        raise maker.fault(
            f"cannot be used: its {source} returned the class {made.__name__}, not an object of "
            "it; did it forget to call it?"
        )
    needed = members(protocol)
    if lacking := [name for name in needed if not has_member(made, name)]:
        raise maker.fault(
            f"cannot be used: its {source} returned {described(made)}, which lacks "
            f"{', '.join(lacking)} of toolkit.interfaces.{protocol.__name__}."
        )
    _check_values(made, needed, maker)
    if id(made) not in _MAKERS:
        try:
            weakref.finalize(made, _MAKERS.pop, id(made), None).atexit = False
        except TypeError:
            maker.held = made
    _MAKERS[id(made)] = maker
    return made


def _check_values(made: Any, needed: Sequence[str], maker: Maker) -> None:
    """Checks the members that are plain values."""
    with at_work(maker):
        said = {name: getattr(made, name) for name in needed if name in {*_WORDS, *_TYPES}}
    for name, value in said.items():
        words = _WORDS.get(name, ())
        kind, wanted = _TYPES.get(name, (object, _either(words)))
        number = kind is Integral and isinstance(value, Integral) and value < 1
        if number or not isinstance(value, kind) or (words and value not in words):
            told = repr(value) if words else described(value)
            raise maker.fault(f"cannot be used: its {name!r} is {told}, not {wanted}.")


@contextmanager
def at_work(maker: Maker | None) -> Iterator[Maker | None]:
    """Converts exceptions raised in its block to errors that name the component.

    A `ToolkitError` passes through unchanged, and so do out-of-memory and disk-full errors, which
    are not the component's fault. With `maker` None, every exception passes through.

    Raises:
        ComponentError: The component failed.
        ToolkitError: A library that it needs is not installed, or there is no temporary folder.
    """
    try:
        yield maker
    except ToolkitError:
        raise
    except (Exception, SystemExit) as error:
        full = isinstance(error, OSError) and error.errno in _FULL
        if maker is None or full or lacks_memory(error):
            raise
        raise maker.translated(error) from error


def border(part: object) -> AbstractContextManager[Maker | None]:
    """Returns `at_work` for the maker of a plugin's object."""
    return at_work(maker_of(part))


def members(protocol: type) -> list[str]:
    """Returns the names of the members that a protocol requires.

    Example:
        >>> members(interfaces.Dataset)
        ['name', 'skipped', '__len__', '__getitem__']
    """
    bases = [base for base in protocol.__mro__ if base.__module__ == interfaces.__name__]
    names = dict.fromkeys(name for base in bases for name in vars(base))
    return [name for name in names if name in _SPECIAL or not name.startswith("_")]


def described(value: object) -> str:
    """Describes a value for an error message: a tensor by shape and type, an object by type."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        kind = "a tensor" if type(value).__name__ == "Tensor" else f"a {type(value).__name__}"
        return f"{kind} {list(value.shape)} of {str(value.dtype).removeprefix('torch.')}"
    if value is None or isinstance(value, bool | int | float | str):
        return f"{value!r:.40}"
    return f"an object of type {type(value).__name__}"


def _either(words: Sequence[str]) -> str:
    return " or ".join(map(repr, words))


def has_member(made: object, name: str) -> bool:
    """Returns whether an object has a member, without evaluating properties."""
    try:
        getattr_static(made, name)
    except AttributeError:
        return hasattr(made, name)
    return True


def _is_importable(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
