"""Who made an object: a plugin's component, which answers for what the object does.

The registry admits each object that a `build` returned, if it has the members of its kind, and
keeps here where it comes from. Where an object's work fails, `border` tells it by that name.
"""

from __future__ import annotations

import errno
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from inspect import getattr_static
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
}
_WORDS: Mapping[str, tuple[str, ...]] = {
    "direction": ("higher", "lower"),
    "judges": ("latents", "images", "nothing"),
}
"""Members that are one of a few words."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_SPECIAL = ("__call__", "__len__", "__getitem__")


@dataclass(eq=False)
class Maker:
    """The component that an object comes from.

    Attributes:
        kind: Its kind.
        name: Its name.
        distribution: The plugin that supplies it.
        checked: What of its objects was looked at already.
        held: The object itself where it takes no weak reference, so that its id stays its own.
    """

    kind: Kind
    name: str
    distribution: str
    checked: set[str] = field(default_factory=set)
    held: object = None

    def __str__(self) -> str:
        return f"The {self.kind} {self.name!r} of {self.distribution}"

    def fault(self, what: str) -> ComponentError:
        """An error that says, after the component's name, what it did."""
        return ComponentError(
            f"{self} {what}",
            f"This is a fault of {self.distribution}: report it, with what --debug shows. "
            f"To take another: toolkit plugins list --kind {self.kind}",
        )

    def translated(self, error: BaseException) -> ToolkitError:
        """An error from within the component, in a user's words."""
        lacks = (getattr(error, "name", "") or "").partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and lacks and not _is_importable(lacks):
            return ToolkitError(
                f"The {self.kind} {self.name!r} needs {lacks}, which is not installed.",
                f"Install what {self.distribution} needs: pip install {lacks}",
            )
        if known := without_temporary_folder(error):
            return known
        said = f"{type(error).__name__}: {error}".removesuffix(": ").removesuffix(".")
        return self.fault(f"failed with {said}.")

    def once(self, what: str) -> bool:
        """Whether this is asked for the first time."""
        first = what not in self.checked
        self.checked.add(what)
        return first


_MAKERS: dict[int, Maker] = {}
"""By the object's id, as long as the object lives."""


def maker_of(part: object) -> Maker | None:
    """The component that an object comes from; None where no registry made it."""
    return _MAKERS.get(id(part))


def admit(made: Any, maker: Maker, source: str = "`build`") -> Any:
    """Lets in what a component made, if it has what the component's kind asks for.

    Args:
        made: The object.
        maker: Who made it.
        source: By what.

    Returns:
        The object itself.

    Raises:
        ComponentError: It is None, lacks a member, or has one that says what it may not.
    """
    protocol = _PROTOCOLS[maker.kind]
    if made is None:
        raise maker.fault(f"cannot be used: its {source} returned None; did it forget to return?")
    needed = members(protocol)
    if lacking := [name for name in needed if not has_member(made, name)]:
        raise maker.fault(
            f"cannot be used: its {source} returned {described(made)}, which lacks "
            f"{', '.join(lacking)} of toolkit.interfaces.{protocol.__name__}."
        )
    for name, words in _WORDS.items():
        if name in needed and (said := getattr(made, name)) not in words:
            raise maker.fault(f"cannot be used: its {name!r} is {said!r}, not {_either(words)}.")
    if id(made) not in _MAKERS:
        try:
            weakref.finalize(made, _MAKERS.pop, id(made), None).atexit = False
        except TypeError:
            maker.held = made
    _MAKERS[id(made)] = maker
    return made


@contextmanager
def at_work(maker: Maker | None) -> Iterator[Maker | None]:
    """Within its block a component is at work, and what it raises is told as its own.

    What is in a user's words already passes, and so does a lack of memory or of space on a disk,
    which is nobody's fault. Where no registry made the object, everything passes.

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
    """Within its block a plugin's object is at work; see `at_work`."""
    return at_work(maker_of(part))


def members(protocol: type) -> list[str]:
    """What an object needs to fit a protocol.

    Example:
        >>> members(interfaces.Dataset)
        ['name', 'skipped', '__len__', '__getitem__']
    """
    bases = [base for base in protocol.__mro__ if base.__module__ == interfaces.__name__]
    names = dict.fromkeys(name for base in bases for name in vars(base))
    return [name for name in names if name in _SPECIAL or not name.startswith("_")]


def described(value: object) -> str:
    """What came back, for an error: a tensor by its shape and type, anything else as it is."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        kind = "a tensor" if type(value).__name__ == "Tensor" else f"a {type(value).__name__}"
        return f"{kind} {list(value.shape)} of {str(value.dtype).removeprefix('torch.')}"
    if value is None or isinstance(value, bool | int | float | str):
        return f"{value!r:.40}"
    return f"an object of type {type(value).__name__}"


def _either(words: Sequence[str]) -> str:
    return " or ".join(map(repr, words))


def has_member(made: object, name: str) -> bool:
    """Whether there is such a member; a property is not asked, as it may have to load something."""
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
