"""An image with its alpha and metadata."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class Metadata:
    """A file's metadata as raw bytes; empty if missing.

    Attributes:
        exif: As TIFF, without JPEG's `Exif` prefix.
        xmp: The packet.
        icc: A profile for RGB or grey.
        dpi: Pixels per inch, across and down; None if unknown.
        lost: Notes on metadata that were not kept.
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
        bits: Bits per channel of the file, 8 or 16.
        grey: Whether the three channels are equal everywhere.
        metadata: EXIF and XMP (their orientation reset), ICC, and density.
        path: The file that it was read from; None if it was made in memory.
        notes: Notes on pixels that were changed or left out, such as further pages.
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
    """Decoded pixels, not yet turned upright."""

    colours: Pixels
    """`[h, w, 1]` grey or `[h, w, 3]` RGB, uint8 or uint16."""
    alpha: Pixels | None = None
    """`[h, w]`, of the same dtype."""
    multiplied: bool = False
    """Whether the colours are premultiplied by alpha."""
    notes: tuple[str, ...] = ()
