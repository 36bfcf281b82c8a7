"""Named sets of parameters, each a file in `sets/` with where its values come from."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

SetName = Literal["x4plus", "stablesr", "osediff", "seesr", "resshift"]
"""Those of `realesrgan`; `bsrgan` has one of its own."""

_FOLDER: Final = Path(__file__).parent / "sets"


@dataclass(frozen=True)
class ParameterSet:
    """One published configuration.

    Attributes:
        title: Whose it is.
        source: Where the values were read.
        notes: What the source leaves open, and what is done here.
        options: By the names of the options.
    """

    title: str
    source: str
    notes: tuple[str, ...]
    options: dict[str, Any]


@functools.cache
def read_set(name: SetName | Literal["bsrgan"]) -> ParameterSet:
    """Reads a set.

    Example:
        >>> read_set("stablesr").options["jpeg_range"]
        [60.0, 95.0]
    """
    data = tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return ParameterSet(data["title"], data["source"], tuple(data["notes"]), data["options"])
