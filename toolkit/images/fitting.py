"""What formats can store of a picture."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from toolkit.image_files import HEIC_SUFFIXES, JPEG_SUFFIXES, TIFF_SUFFIXES
from toolkit.images import metadata as exif_data
from toolkit.images import xmp
from toolkit.images.metadata import exif_density, with_density
from toolkit.images.picture import Metadata, Picture

_MOST_BITS = {
    **dict.fromkeys({".png", *TIFF_SUFFIXES}, 16),
    **dict.fromkeys(HEIC_SUFFIXES, 10),  # more is read by few devices
    ".avif": 12,
}
_WITHOUT_DENSITY = frozenset({".webp", ".avif", ".jxl", *HEIC_SUFFIXES})
"""Formats that can store it in EXIF only."""


class Fitted(NamedTuple):
    """What a format can store of a picture.

    Attributes:
        metadata: Those that fit.
        bits: Bits per channel.
        alpha: Whether it has alpha; else that is blended with white.
        single: Whether it has one channel.
        notes: What does not fit.
    """

    metadata: Metadata
    bits: int
    alpha: bool
    single: bool
    notes: tuple[str, ...]


def fit_format(picture: Picture, size: tuple[int, int], suffix: str) -> Fitted:
    """Reduces a picture to what its format can store."""
    notes = []
    alpha, bits, metadata = picture.alpha is not None, picture.bits, picture.metadata
    if alpha and suffix in JPEG_SUFFIXES:
        alpha = False
        notes.append("transparency was blended with white, as JPEG has none")
    most = _MOST_BITS.get(suffix, 8)
    if bits > most:
        notes.append(
            f"{bits} bits were reduced to {most}, the most that is written to {suffix} files"
        )
    bits = most if bits > 8 and (bits > most or most == 16) else bits
    metadata = replace(
        metadata,
        exif=exif_data.with_size(metadata.exif, size[1], size[0]),
        xmp=xmp.with_size(metadata.xmp, size[1], size[0]),
    )
    if metadata.icc[16:20] == b"GRAY" and (alpha or not picture.grey):
        metadata = replace(metadata, icc=b"")
        notes.append("the grey colour profile was dropped, as it needs grey without transparency")
    if suffix == ".bmp":
        parts = {"colour profile": metadata.icc, "EXIF data": metadata.exif, "XMP": metadata.xmp}
        notes += [
            f"the {name} was dropped, as BMP has none" for name, part in parts.items() if part
        ]
        metadata = replace(metadata, exif=b"", xmp=b"", icc=b"")
    elif suffix in _WITHOUT_DENSITY and metadata.dpi and not exif_density(metadata.exif):
        metadata = replace(metadata, exif=with_density(metadata.exif, metadata.dpi))
    if metadata.iptc and suffix not in JPEG_SUFFIXES | TIFF_SUFFIXES:
        notes.append(f"IPTC data were dropped, as {suffix} has no place for them")
    # An RGB profile is invalid in a file of one channel.
    single = picture.grey and not alpha and metadata.icc[16:20] != b"RGB "
    return Fitted(metadata, bits, alpha, single, tuple(notes))
