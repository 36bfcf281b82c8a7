"""EXIF and density, shared by all formats."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

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
_EXIF_POINTER, _PIXEL_WIDTH, _PIXEL_HEIGHT = 0x8769, 0xA002, 0xA003
_WIDTH, _HEIGHT = 0x0100, 0x0101
_THUMBNAIL, _THUMBNAIL_SIZE = 0x0201, 0x0202

DESCRIBING = frozenset(
    # Description, make, model, orientation, density, program, date, artist, computer, rating,
    # copyright, EXIF, GPS, and the title, comment, author, keywords and subject of Windows.
    {0x010E, 0x010F, 0x0110, ORIENTATION, _ACROSS, _DOWN, _UNIT, 0x0131, 0x0132, 0x013B, 0x013C}
    | {0x4746, 0x4749, 0x8298, 0x8769, 0x8825, *range(0x9C9B, 0x9CA0)}
)
"""Tags that describe the photograph rather than the layout of its pixels."""


def take_orientation(exif: bytes) -> tuple[int, bytes]:
    """Returns the orientation, and EXIF that says 1, lest viewers rotate the upright image."""
    tiff = parse(exif)
    if tiff is None or ORIENTATION not in tiff.directories[0]:
        return 1, exif
    orientation = orientation_of(tiff.directories[0])
    entry, order = _entry(exif, tiff.form, ORIENTATION), tiff.form.order
    (kind,) = struct.unpack_from(f"{order}H", exif, entry + 2)
    if kind not in {SHORT, LONG}:
        return orientation, exif
    upright = struct.pack(f"{order}{'H' if kind == SHORT else 'I'}", 1)
    return orientation, exif[: entry + 8] + upright + exif[entry + 8 + len(upright) :]


def orientation_of(directory: Directory) -> int:
    """Returns a directory's orientation, 1 by default."""
    return int(number(directory, ORIENTATION, 1))


def with_size(exif: bytes, width: int, height: int) -> bytes:
    """Sets the image's size, in pixels, where EXIF tells it, and removes the thumbnail.

    Everything else stays where it is: cameras' own notes contain offsets.
    """
    tiff = parse(exif)
    if tiff is None or tiff.form.big:
        return exif
    data, form = bytearray(exif), tiff.form
    (start,) = struct.unpack_from(form.word, data, form.root)
    _set(data, form, start, {_WIDTH: width, _HEIGHT: height})
    pointer = tiff.directories[0].get(_EXIF_POINTER)
    if pointer is not None:
        sides = {_PIXEL_WIDTH: width, _PIXEL_HEIGHT: height}
        _set(data, form, int(pointer.numbers()[0]), sides)
    return _without_thumbnail(data, form, start, tiff.directories[1:])


def number(directory: Directory, tag: int, default: float) -> float:
    """Returns the first value of a tag, or the default."""
    values = directory[tag].numbers() if tag in directory else []
    return values[0] if values else default


def describing(directory: Directory) -> dict[int, Field]:
    """Returns the fields that describe the photograph."""
    return {tag: entry for tag, entry in directory.items() if tag in DESCRIBING}


def density_of(directory: Directory) -> tuple[float, float] | None:
    """Returns pixels per inch, across and down; None if missing or without a unit."""
    unit = number(directory, _UNIT, _INCH)
    across = number(directory, _ACROSS, 0)
    down = number(directory, _DOWN, across)
    if unit not in {_INCH, _CENTIMETRE}:
        return None
    return density(across, down, 1.0 if unit == _INCH else 2.54)


def density(across: float, down: float, to_inch: float) -> tuple[float, float] | None:
    """Converts a density to pixels per inch; None if it is not positive.

    Values within 0.013 of an integer are rounded to it: formats that count per metre or centimetre
    do not store them exactly.
    """
    pair = across * to_inch, down * to_inch
    if min(pair) <= 0:
        return None
    first, second = (
        float(round(value)) if abs(value - round(value)) < 0.013 else value for value in pair
    )
    return first, second


def exif_density(exif: bytes) -> tuple[float, float] | None:
    """Returns the density in EXIF; None if it has none."""
    tiff = parse(exif)
    return density_of(tiff.directories[0]) if tiff else None


def density_fields(dpi: tuple[float, float]) -> dict[int, Field]:
    """Returns the fields for a density."""
    across, down = (field(RATIONAL, round(value * 10000), 10000) for value in dpi)
    return {_ACROSS: across, _DOWN: down, _UNIT: field(SHORT, _INCH)}


def with_density(exif: bytes, dpi: tuple[float, float]) -> bytes:
    """Adds a density to EXIF, for formats that cannot store it elsewhere."""
    tiff = parse(exif)
    return exif_bytes({**(tiff.directories[0] if tiff else {}), **density_fields(dpi)})


def dpi_of_bmp(data: bytes) -> tuple[float, float] | None:
    """Returns the pixels per inch of a BMP file; None if missing."""
    if len(data) < 46 or int.from_bytes(data[14:18], "little") < 40:
        return None
    across, down = struct.unpack_from("<ii", data, 38)
    return density(across, down, _METRE)


def with_bmp_dpi(data: bytes, dpi: tuple[float, float]) -> bytes:
    """Sets the density of a BMP file."""
    across, down = (min(round(value / _METRE), 2**31 - 1) for value in dpi)
    return data[:38] + struct.pack("<ii", across, down) + data[46:]


def _set(data: bytearray, form: Form, start: int, values: Mapping[int, int]) -> None:
    """Sets integers in the directory at an offset, if it has them."""
    for tag, at in _entries(data, form, start):
        if tag in values:
            struct.pack_into(f"{form.order}HII", data, at + 2, LONG, 1, values[tag])


def _without_thumbnail(
    data: bytearray, form: Form, start: int, further: tuple[Directory, ...]
) -> bytes:
    """Removes the directories after the first, at `start`, and the thumbnail's pixels."""
    (count,) = struct.unpack_from(form.amount, data, start)
    link = start + 2 + 12 * count
    if link + 4 <= len(data):
        data[link : link + 4] = bytes(4)
    for directory in further:
        at, size = (int(number(directory, tag, 0)) for tag in (_THUMBNAIL, _THUMBNAIL_SIZE))
        if data[at : at + 2] != b"\xff\xd8":
            continue
        if at + size >= len(data):
            del data[at:]
        else:
            data[at : at + size] = bytes(size)
    return bytes(data)


def _entries(data: bytes | bytearray, form: Form, start: int) -> Iterator[tuple[int, int]]:
    """Yields tag and offset of each entry in the directory at an offset."""
    (count,) = struct.unpack_from(form.amount, data, start)
    for at in range(start + 2, min(start + 2 + 12 * count, len(data) - 11), 12):
        yield struct.unpack_from(f"{form.order}H", data, at)[0], at


def _entry(data: bytes, form: Form, tag: int) -> int:
    """Returns the offset of a tag's entry in the first directory, which must have it."""
    (start,) = struct.unpack_from(form.word, data, form.root)
    at = int(start) + struct.calcsize(form.amount)
    size = struct.calcsize(form.head) + struct.calcsize(form.word)
    while struct.unpack_from(f"{form.order}H", data, at)[0] != tag:
        at += size
    return at
