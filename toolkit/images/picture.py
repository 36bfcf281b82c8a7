"""An image with its alpha and metadata."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from torch import Tensor

from toolkit.images.encoding import Encoding


@dataclass(frozen=True)
class Metadata:
    """A file's metadata as raw bytes; empty if missing.

    Attributes:
        exif: As TIFF, without JPEG's `Exif` prefix.
        xmp: The packet.
        icc: A profile for RGB or grey.
        dpi: Pixels per inch, across and down; None if unknown.
        lost: Notes on metadata that were not kept.
        iptc: IPTC-IIM records, without Photoshop's wrapping.
    """

    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes = b""
    dpi: tuple[float, float] | None = None
    lost: tuple[str, ...] = ()
    iptc: bytes = b""


@dataclass(frozen=True, eq=False)
class Picture:
    """One image, upright.

    Attributes:
        rgb: `[3, h, w]`, float32, in [0, 1]; straight, not multiplied by alpha.
        alpha: `[1, h, w]`, float32, in [0, 1], 1 for opaque; None if the file has none.
        bits: Bits per channel of the file: 8, 10, 12 or 16.
        grey: Whether the three channels are equal everywhere.
        metadata: EXIF and XMP (their orientation reset), IPTC, ICC, and density.
        path: The file that it was read from; None if it was made in memory.
        notes: Notes on pixels that were changed or left out, such as further pages.
        encoding: How the file was encoded, as far as known: quality of a JPEG file, estimated, and
            chroma subsampling.
    """

    rgb: Tensor
    alpha: Tensor | None = None
    bits: int = 8
    grey: bool = False
    metadata: Metadata = Metadata()
    path: Path | None = None
    notes: tuple[str, ...] = ()
    encoding: Encoding = Encoding()


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
    bits: int = 0
    """Bits per channel of the file, if fewer than the dtype's; 0 otherwise."""


def in_bgr(pixels: Pixels) -> Pixels:
    """Exchanges red and blue of `[h, w, c]`, as OpenCV has them; grey stays as it is."""
    if pixels.shape[2] == 1:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
