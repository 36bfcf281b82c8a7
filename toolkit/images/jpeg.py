"""JPEG's segments: what they say, whether the scans are whole, and metadata of any size."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from toolkit.images.metadata import density, exif_density
from toolkit.images.picture import Metadata, Pixels
from toolkit.images.pillow import with_pillow

if TYPE_CHECKING:
    from PIL.Image import Image

_START = b"\xff\xd8"
_EXIF_HEAD = b"Exif\0\0"
_XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
_LONG_XMP_HEAD = b"http://ns.adobe.com/xmp/extension/\0"
_HAS_LONG_XMP = re.compile(rb"""\s*xmpNote:HasExtendedXMP\s*=\s*("[^"]*"|'[^']*')""")
_LONG_XMP = "the extended part of XMP was dropped"
_ICC_HEAD = b"ICC_PROFILE\0"
_FURTHER_HEAD = b"MPF\0"
_IPTC_HEAD, _IPTC = b"Photoshop 3.0\0", b"8BIM\x04\x04"
_MOST = 65533
"""Bytes in a segment."""
_FRAMES = {0xC0 + each for each in range(16)} - {0xC4, 0xC8, 0xCC}
_SCAN, _END = 0xDA, 0xD9
# In a scan, 0xFF stands before 0 where it is a value, and before 0xD0 to 0xD7 to start anew.
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
_PROBE = bytes(range(1, 251))
_PROBES = _PROBE + b"".join(bytes([0xFF, 0xD0 + each]) + _PROBE for each in range(8))
"""Data, and data after each restart marker that a decoder may wait for."""


class _Segment(NamedTuple):
    marker: int
    start: int
    """Where its marker begins, with any fill bytes."""
    body: int
    end: int


def lacks_end(data: bytes) -> bool:
    """Whether no end marker follows the scans; thumbnails, which have their own, are skipped."""
    return all(each.marker != _END for each in _segments(data))


def cut_short(data: bytes, pixels: Pixels) -> bool:
    """Whether the scans are cut short in front of an end that was added later.

    Decoders fill what is missing with the last colour, or, in progressive files, leave it blurred.
    Where the pixels `[h, w, c]` may be that, a smaller version is decoded with and without further
    data before the end: they change nothing where the scans are whole.
    """
    segments = list(_segments(data))
    scans = sum(each.marker == _SCAN for each in segments)
    if not scans or (scans == 1 and not _ends_flat(pixels)):
        return False
    end = segments[-1].start
    share = 8 if scans == 1 else 2  # an eighth shows each block's mean, which the first scan has
    seen, other = (_preview(each, share) for each in (data, data[:end] + _PROBES + data[end:]))
    return seen is not None and other is not None and not np.array_equal(seen, other)


def channels(data: bytes) -> int:
    """How many there are; 4 are CMYK."""
    for each in _segments(data):
        if each.marker in _FRAMES:
            return data[each.body + 5] if each.body + 5 < each.end else 0
    return 0


def metadata_of(data: bytes) -> Metadata:
    """What the segments say."""
    exif = xmp = b""
    dpi = None
    profile: dict[int, bytes] = {}
    for marker, body in _told(data):
        if marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 12:
            unit, across, down = struct.unpack_from(">BHH", body, 7)
            dpi = density(across, down, 2.54 if unit == 2 else 1.0) if unit else None
        elif marker == 0xE1 and body.startswith(_EXIF_HEAD):
            exif = exif or body.removeprefix(_EXIF_HEAD)
        elif marker == 0xE1 and body.startswith(_XMP_HEAD):
            xmp = xmp or body.removeprefix(_XMP_HEAD)
        elif marker == 0xE2 and body.startswith(_ICC_HEAD) and len(body) > 14:
            profile[body[12]] = body[14:]
    icc = b"".join(profile[each] for each in sorted(profile))
    lost = _lost(data)
    if _LONG_XMP in lost:
        xmp = _HAS_LONG_XMP.sub(b"", xmp)
    return Metadata(exif, xmp, icc, dpi or exif_density(exif), lost)


def with_metadata(data: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """A JPEG file with metadata, profiles of any size too, and notes on what is too large."""
    notes = []
    parts = []
    for name, head, what in (
        ("EXIF data", _EXIF_HEAD, metadata.exif),
        ("XMP data", _XMP_HEAD, metadata.xmp),
    ):
        if len(head + what) > _MOST:
            notes.append(f"{name} of {len(what)} bytes were dropped, as JPEG holds at most 64 KB")
        elif what:
            parts.append(_segment(0xE1, head + what))
    room = _MOST - len(_ICC_HEAD) - 2
    pieces = [metadata.icc[at : at + room] for at in range(0, len(metadata.icc), room)]
    if len(pieces) > 255:
        notes.append(
            f"a colour profile of {len(metadata.icc)} bytes was dropped, too large for JPEG"
        )
        pieces = []
    for place, piece in enumerate(pieces, start=1):
        parts.append(_segment(0xE2, _ICC_HEAD + bytes([place, len(pieces)]) + piece))
    first = next(_segments(data))  # JFIF, which comes before all others
    across, down = (round(each) for each in metadata.dpi or (0, 0))
    unit = int(min(across, down) > 0 and max(across, down) < 2**16)
    told = struct.pack(">BHH", unit, across if unit else 1, down if unit else 1)
    head = data[: first.body + 7] + told
    rest = data[first.body + 12 :]
    size = first.end - first.body - 12
    return head + rest[:size] + b"".join(parts) + rest[size:], tuple(notes)


def _lost(data: bytes) -> tuple[str, ...]:
    """Notes on what is not read."""
    notes = []
    for marker, body in _told(data):
        if marker == 0xE1 and body.startswith(_LONG_XMP_HEAD):
            notes.append(_LONG_XMP)
        elif marker == 0xE2 and body.startswith(_FURTHER_HEAD):
            notes.append("further images in the file, such as a gain map, were dropped")
        elif marker == 0xED and body.startswith(_IPTC_HEAD) and _IPTC in body:
            notes.append("IPTC data were dropped")
    return tuple(dict.fromkeys(notes))


def _told(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and body of each segment before the first scan."""
    for each in _segments(data):
        if each.marker == _SCAN:
            return
        yield each.marker, data[each.body : each.end]


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def _segments(data: bytes) -> Iterator[_Segment]:
    """All segments in turn, the data of scans passed over; the last is the end, if it is there."""
    at = len(_START) if data.startswith(_START) else len(data)
    while found := _MARKER.search(data, at):
        marker, body = found[1][0], found.end() + 2
        if marker == _END:
            yield _Segment(marker, found.start(), found.end(), found.end())
            return
        if marker in {0x01, 0xD8}:  # these stand alone
            at = found.end()
            continue
        at = found.end() + max(2, int.from_bytes(data[found.end() : body], "big"))
        yield _Segment(marker, found.start(), body, at)


def _ends_flat(pixels: Pixels) -> bool:
    """Whether the last block has a single colour."""
    height, width = pixels.shape[:2]
    corner = pixels[-min(4, (height - 1) % 8 + 1) :, -min(4, (width - 1) % 8 + 1) :]
    return bool((corner == corner[-1:, -1:]).all())


def _preview(data: bytes, share: int) -> Pixels | None:
    """A version of a share of each side: the scans are read whole, but much of the rest is not."""

    def smaller(image: Image) -> Pixels:
        image.draft(None, (image.width // share, image.height // share))
        return np.array(image)

    return with_pillow(data, smaller)
