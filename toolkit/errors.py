"""What can go wrong, in words a user can act on.

Every error that a user can cause is a `ToolkitError`: it says what was wrong and where, and its
`hint` says what to type next. The command line shows both without a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class ToolkitError(Exception):
    """The work failed.

    Attributes:
        hint: What to do or to type next; may be empty.
        exit_code: What the command returns: 1 where the work failed, 2 for wrong use.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def told(self) -> str:
        """What was wrong, and on a line below what to do about it."""
        return "\n".join(filter(None, (str(self), self.hint)))


class UsageError(ToolkitError):
    """The command was given something that it cannot work with."""

    exit_code = 2


class UnknownComponentError(UsageError):
    """No component of this kind has this name.

    Attributes:
        kind: That was looked for; empty where it is not one component.
        name: Likewise.
    """

    def __init__(self, message: str, hint: str = "", kind: str = "", name: str = "") -> None:
        super().__init__(message, hint)
        self.kind, self.name = kind, name


class OptionsError(UsageError):
    """An option is unknown, ill-typed or out of range."""


class DataError(UsageError):
    """A folder, a file or a dataset holds nothing that can be used."""


class ImageError(ToolkitError):
    """An image file cannot be read or written."""


class WeightsError(ToolkitError):
    """A weight file is missing, altered or not of a safe format."""


class CheckpointError(ToolkitError):
    """A run's checkpoint is torn, or belongs to another run or backbone."""


class DivergedError(ToolkitError):
    """A loss or a gradient is no longer a finite number."""


class ComponentError(ToolkitError):
    """A plugin's component failed, or returned what its kind may not; it names both."""


class PluginWarning(UserWarning):
    """A plugin was set aside: none of its components is there."""


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that memory does not suffice, on whatever device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return True
    phrases = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(p in str(error).lower() for p in phrases)


def without_temporary_folder(error: BaseException) -> ToolkitError | None:
    """What to tell where Python finds no folder for temporary files; None of any other error.

    Libraries look for one as soon as they are imported, so it may be met anywhere.
    """
    _, found, places = str(error).partition("No usable temporary directory found in ")
    if not (isinstance(error, FileNotFoundError) and found):
        return None
    named = places.strip("[]").replace("'", "")
    return ToolkitError(
        f"Temporary files cannot be written: none of these folders can be used: {named}.",
        "Free some space there, or name a folder that may be written: TMPDIR=/a/folder",
    )


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """A question with the nearest known word, to follow a sentence; empty where none is near.

    Example:
        >>> did_you_mean("dist", ["mse", "dists"])
        " Did you mean 'dists'?"
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f" Did you mean {near[0]!r}?" if near else ""
