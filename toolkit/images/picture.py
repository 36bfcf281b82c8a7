"""A picture and what its file says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class Metadata:
    """What a file says besides its pixels, as raw bytes; empty where it says nothing.

    Attributes:
        exif: As TIFF, without JPEG's `Exif` head.
        xmp: The packet.
        icc: A profile for RGB or grey.
        dpi: Pixels an inch, across and down; None where nothing says so.
        lost: Notes on what the file said and is not kept.
    """

    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes = b""
    dpi: tuple[float, float] | None = None
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Picture:
    """One image, upright.

    Attributes:
        rgb: `[3, h, w]`, float32, in [0, 1]; straight, not multiplied by alpha.
        alpha: `[1, h, w]`, float32, in [0, 1], 1 for opaque; None if the file has none.
        bits: 8 or 16 for each channel of the file.
        grey: Whether the three channels are equal everywhere.
        metadata: EXIF and XMP (their orientation reset), ICC, and density.
        path: Where it was read; None for one made in memory.
        notes: What of the file's pixels is not here as it was, such as further pages.
    """

    rgb: Tensor
    alpha: Tensor | None = None
    bits: int = 8
    grey: bool = False
    metadata: Metadata = Metadata()
    path: Path | None = None
    notes: tuple[str, ...] = ()


Pixels = np.ndarray[Any, Any]


class Decoded(NamedTuple):
    """Pixels as a file has them, before they are turned upright."""

    colours: Pixels
    """`[h, w, 1]` grey or `[h, w, 3]` RGB, 8 or 16 bits."""
    alpha: Pixels | None = None
    """`[h, w]`, of the same bits."""
    multiplied: bool = False
    """Whether the colours are multiplied by alpha."""
    notes: tuple[str, ...] = ()
