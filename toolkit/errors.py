"""Errors and warnings for users.

Every error that a user can cause is a `ToolkitError`: the message says what is wrong and where, the
`hint` what to do next. The command line shows both without a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class ToolkitError(Exception):
    """Base class of the toolkit's errors.

    Attributes:
        hint: What to do or type next; may be empty.
        exit_code: Exit code of the command: 1 for a failure, 2 for wrong usage.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def told(self) -> str:
        """The message, and the hint on a new line."""
        return "\n".join(filter(None, (str(self), self.hint)))


class UsageError(ToolkitError):
    """An argument or a setting is invalid."""

    exit_code = 2


class UnknownComponentError(UsageError):
    """No component of this kind has this name.

    Attributes:
        kind: Kind of the missing component; empty if the error is not about a single component.
        name: Its name, likewise.
    """

    def __init__(self, message: str, hint: str = "", kind: str = "", name: str = "") -> None:
        super().__init__(message, hint)
        self.kind, self.name = kind, name


class OptionsError(UsageError):
    """An option is unknown, ill-typed or out of range."""


class DataError(UsageError):
    """A folder, a file or a dataset is missing, or contains nothing usable."""


class ImageError(ToolkitError):
    """An image file cannot be read or written."""


class WeightsError(ToolkitError):
    """A weight file is missing, altered, or not in a safe format."""


class HubError(ToolkitError):
    """The model hub cannot be reached, or refuses."""


class CheckpointError(ToolkitError):
    """A checkpoint is damaged, or belongs to another run or backbone."""


class DivergedError(ToolkitError):
    """A loss or a gradient is no longer finite."""


class ComponentError(ToolkitError):
    """A plugin's component failed, or violated the interface of its kind; the message names it."""


class ToolkitWarning(UserWarning):
    """Base class of warnings that users see."""


class EarlierFormWarning(ToolkitWarning):
    """A file in the format of an earlier version was converted while reading."""


class TrackerWarning(ToolkitWarning):
    """A tracker failed and was turned off; the training goes on."""


class PluginWarning(ToolkitWarning):
    """A plugin could not be loaded; its components are not available."""


def lacks_memory(error: BaseException) -> bool:
    """Whether an error is about insufficient memory, on any device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return True
    phrases = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(p in str(error).lower() for p in phrases)


def without_temporary_folder(error: BaseException) -> ToolkitError | None:
    """Returns the error to raise if Python found no folder for temporary files; None otherwise.

    Libraries look for that folder when they are imported, so the error may occur anywhere.
    """
    _, phrase, folders = str(error).partition("No usable temporary directory found in ")
    if not (isinstance(error, FileNotFoundError) and phrase):
        return None
    listed = folders.strip("[]").replace("'", "")
    return ToolkitError(
        f"Temporary files cannot be written: none of these folders can be used: {listed}.",
        "Free some space there, or name a writable folder: TMPDIR=/a/folder",
    )


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Returns a question with the most similar known word; empty if none is similar.

    Example:
        >>> did_you_mean("dist", ["mse", "dists"])
        " Did you mean 'dists'?"
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f" Did you mean {near[0]!r}?" if near else ""
