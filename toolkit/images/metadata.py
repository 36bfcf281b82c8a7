"""EXIF, XMP and density, whichever format they come from."""

from __future__ import annotations

import re
import struct

from toolkit.images.tags import (
    LONG,
    RATIONAL,
    SHORT,
    Directory,
    Field,
    Form,
    exif_bytes,
    field,
    parse,
)

ORIENTATION = 0x0112
_ACROSS, _DOWN, _UNIT = 0x011A, 0x011B, 0x0128
_INCH, _CENTIMETRE = 2, 3
_METRE = 0.0254
_XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation\s*(?:=\s*["']|>)\s*)[2-8]""")

DESCRIBING = frozenset(
    # Description, make, model, orientation, density, program, date, artist, computer, rating,
    # copyright, EXIF, GPS, and the title, comment, author, keywords and subject of Windows.
    {0x010E, 0x010F, 0x0110, ORIENTATION, _ACROSS, _DOWN, _UNIT, 0x0131, 0x0132, 0x013B, 0x013C}
    | {0x4746, 0x4749, 0x8298, 0x8769, 0x8825, *range(0x9C9B, 0x9CA0)}
)
"""Tags that describe a photograph, and not how a file holds its pixels."""


def take_orientation(exif: bytes) -> tuple[int, bytes]:
    """The orientation, and EXIF in which it is 1, so that no viewer turns the image again."""
    tiff = parse(exif)
    if tiff is None or ORIENTATION not in tiff.directories[0]:
        return 1, exif
    found = orientation_of(tiff.directories[0])
    place = _entry(exif, tiff.form, ORIENTATION)
    kind, order = struct.unpack_from(f"{tiff.form.order}H", exif, place + 2)[0], tiff.form.order
    if kind not in {SHORT, LONG}:
        return found, exif
    one = struct.pack(f"{order}{'H' if kind == SHORT else 'I'}", 1)
    return found, exif[: place + 8] + one + exif[place + 8 + len(one) :]


def orientation_of(directory: Directory) -> int:
    """The orientation that a directory gives, 1 where it gives none."""
    return int(number(directory, ORIENTATION, 1))


def upright_xmp(xmp: bytes) -> bytes:
    """XMP in which the orientation, where it has one, is 1."""
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def number(directory: Directory, tag: int, default: float) -> float:
    """The first value of a tag, or the default where there is none."""
    values = directory[tag].numbers() if tag in directory else []
    return values[0] if values else default


def describing(directory: Directory) -> dict[int, Field]:
    """What of a directory describes the photograph."""
    return {tag: each for tag, each in directory.items() if tag in DESCRIBING}


def density_of(directory: Directory) -> tuple[float, float] | None:
    """Pixels an inch, across and down; None where the directory does not say, or without a unit."""
    unit = number(directory, _UNIT, _INCH)
    across = number(directory, _ACROSS, 0)
    down = number(directory, _DOWN, across)
    if unit not in {_INCH, _CENTIMETRE}:
        return None
    return density(across, down, 1.0 if unit == _INCH else 2.54)


def density(across: float, down: float, to_inch: float) -> tuple[float, float] | None:
    """Pixels an inch from those of another unit; None where they are none.

    Formats that count a metre's or a centimetre's round: what is nearly whole is taken for that.
    """
    pair = across * to_inch, down * to_inch
    if min(pair) <= 0:
        return None
    first, second = (
        float(round(each)) if abs(each - round(each)) < 0.013 else each for each in pair
    )
    return first, second


def exif_density(exif: bytes) -> tuple[float, float] | None:
    """The density that EXIF gives."""
    tiff = parse(exif)
    return density_of(tiff.directories[0]) if tiff else None


def density_fields(dpi: tuple[float, float]) -> dict[int, Field]:
    """The fields that say a density."""
    across, down = (field(RATIONAL, round(each * 10000), 10000) for each in dpi)
    return {_ACROSS: across, _DOWN: down, _UNIT: field(SHORT, _INCH)}


def with_density(exif: bytes, dpi: tuple[float, float]) -> bytes:
    """EXIF that says a density, for formats without a place of their own for it."""
    tiff = parse(exif)
    return exif_bytes({**(tiff.directories[0] if tiff else {}), **density_fields(dpi)})


def dpi_of_bmp(data: bytes) -> tuple[float, float] | None:
    """Pixels an inch that a BMP file gives."""
    if len(data) < 46 or int.from_bytes(data[14:18], "little") < 40:
        return None
    across, down = struct.unpack_from("<ii", data, 38)
    return density(across, down, _METRE)


def with_bmp_dpi(data: bytes, dpi: tuple[float, float]) -> bytes:
    """A BMP file that says a density."""
    across, down = (min(round(each / _METRE), 2**31 - 1) for each in dpi)
    return data[:38] + struct.pack("<ii", across, down) + data[46:]


def _entry(data: bytes, form: Form, tag: int) -> int:
    """Where the entry of a tag lies in the first directory, which has it."""
    (start,) = struct.unpack_from(form.word, data, form.root)
    at = int(start) + struct.calcsize(form.amount)
    size = struct.calcsize(form.head) + struct.calcsize(form.word)
    while struct.unpack_from(f"{form.order}H", data, at)[0] != tag:
        at += size
    return at
