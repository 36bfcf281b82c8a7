"""Named sets of parameters, read from files in `sets/`."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

SetName = Literal["x4plus", "stablesr", "osediff", "seesr", "resshift"]
"""Sets of `realesrgan`."""

_FOLDER: Final = Path(__file__).parent / "sets"


@dataclass(frozen=True)
class ParameterSet:
    """One published configuration.

    Attributes:
        title: Short description.
        source: Source of the values.
        notes: Choices that the source leaves open, and deviations from it.
        options: Values by option name.
    """

    title: str
    source: str
    notes: tuple[str, ...]
    options: dict[str, Any]


@functools.cache
def read_set(name: SetName | Literal["bsrgan"]) -> ParameterSet:
    """Reads a set of parameters.

    Example:
        >>> read_set("stablesr").options["jpeg_range"]
        [60.0, 95.0]
    """
    data = tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return ParameterSet(data["title"], data["source"], tuple(data["notes"]), data["options"])
