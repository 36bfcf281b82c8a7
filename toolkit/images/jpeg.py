"""JPEG segments: metadata of any size, and detection of truncated scans."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from toolkit.images import iptc
from toolkit.images.encoding import Encoding, Subsampling
from toolkit.images.metadata import density, exif_density
from toolkit.images.picture import Metadata, Pixels
from toolkit.images.pillow import with_pillow
from toolkit.images.quantisation import quality_of, tables_in

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
_PHOTOSHOP_HEAD = b"Photoshop 3.0\0"
_SUBSAMPLINGS: dict[int, Subsampling] = {0x11: "4:4:4", 0x21: "4:2:2", 0x22: "4:2:0"}
"""By the sampling factors of the brightness, where those of the colours are 1."""
_MAX_BYTES = 65533
"""Size limit of a segment's content."""
FRAMES = {0xC0 + number for number in range(16)} - {0xC4, 0xC8, 0xCC}
_SCAN, _END = 0xDA, 0xD9
# In a scan, 0xFF 0x00 is a literal 0xFF, and 0xFF 0xD0 to 0xD7 are restart markers.
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
_PROBE = bytes(range(1, 251))
_PROBES = _PROBE + b"".join(bytes([0xFF, 0xD0 + number]) + _PROBE for number in range(8))
"""Scan data, repeated after each restart marker that a decoder may be waiting for."""


class _Segment(NamedTuple):
    marker: int
    start: int
    """Offset of its marker, including fill bytes."""
    body: int
    end: int


def lacks_end(data: bytes) -> bool:
    """Whether the end marker is missing; those of embedded thumbnails do not count."""
    return all(segment.marker != _END for segment in segments(data))


def cut_short(data: bytes, pixels: Pixels, reduction: int = 1) -> bool:
    """Whether scan data are missing although an end marker follows.

    Decoders fill a missing part with the last colour or, in progressive files, leave it blurred. If
    the pixels, `[h, w, c]`, look suspicious, a smaller version is decoded with and without extra
    scan data before the end marker: they make a difference only if the scans are incomplete.
    `pixels` may have been decoded at 1/`reduction` of the size.
    """
    found = list(segments(data))
    scans = sum(segment.marker == _SCAN for segment in found)
    if not scans or (scans == 1 and not _ends_flat(pixels, 8 // reduction)):
        return False
    end = found[-1].start
    # An eighth shows the mean of each block, which the first of several scans may already contain.
    coarse = 8 if scans == 1 else 2
    before = _preview(data, coarse)
    after = _preview(data[:end] + _PROBES + data[end:], coarse)
    return before is not None and after is not None and not np.array_equal(before, after)


def size(data: bytes) -> tuple[int, int]:
    """Returns width and height in pixels; 0 if unknown."""
    height, width, _ = _frame(data)
    return width, height


def encoding_of(data: bytes) -> Encoding:
    """Returns the quality, estimated, and the subsampling, if it is a usual one."""
    tables = tables_in(body for marker, body in _header_segments(data) if marker == 0xDB)
    return Encoding(quality_of(tables), _subsampling(data))


def channels(data: bytes) -> int:
    """Returns the number of colour channels (4 for CMYK); 0 if unknown."""
    return _frame(data)[2]


def reduction(data: bytes, min_side: int) -> int:
    """Returns 8, 4 or 2 if the shorter side, divided by it, has `min_side` pixels; 1 otherwise."""
    height, width, _ = _frame(data)
    fitting = (each for each in (8, 4, 2) if -(-min(height, width) // each) >= min_side)
    return next(fitting, 1)


def metadata_of(data: bytes) -> Metadata:
    """Returns the metadata in the segments before the first scan."""
    exif = xmp = resources = b""
    dpi = None
    profile: dict[int, bytes] = {}
    for marker, body in _header_segments(data):
        if marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 12:
            unit, across, down = struct.unpack_from(">BHH", body, 7)
            dpi = density(across, down, 2.54 if unit == 2 else 1.0) if unit else None
        elif marker == 0xE1 and body.startswith(_EXIF_HEAD):
            exif = exif or body.removeprefix(_EXIF_HEAD)
        elif marker == 0xE1 and body.startswith(_XMP_HEAD):
            xmp = xmp or body.removeprefix(_XMP_HEAD)
        elif marker == 0xE2 and body.startswith(_ICC_HEAD) and len(body) > 14:
            profile[body[12]] = body[14:]
        elif marker == 0xED and body.startswith(_PHOTOSHOP_HEAD):
            resources += body.removeprefix(_PHOTOSHOP_HEAD)  # may span several segments
    icc = b"".join(profile[number] for number in sorted(profile))
    lost = _lost(data)
    if _LONG_XMP in lost:
        xmp = _HAS_LONG_XMP.sub(b"", xmp)
    dpi = dpi or exif_density(exif)
    return Metadata(exif, xmp, icc, dpi, lost, iptc.from_resources(resources))


def with_metadata(data: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """Adds metadata to a JPEG file; notes tell what is too large for it.

    Profiles may span several segments.
    """
    notes = []
    parts = []
    for name, head, content in (
        ("EXIF data", _EXIF_HEAD, metadata.exif),
        ("XMP data", _XMP_HEAD, metadata.xmp),
        ("IPTC data", _PHOTOSHOP_HEAD, iptc.to_resources(metadata.iptc)),
    ):
        marker = 0xED if head == _PHOTOSHOP_HEAD else 0xE1
        if len(head + content) > _MAX_BYTES:
            notes.append(
                f"{name} of {len(content)} bytes were dropped, as JPEG holds at most 64 KB"
            )
        elif content:
            parts.append(_segment(marker, head + content))
    size = _MAX_BYTES - len(_ICC_HEAD) - 2
    pieces = [metadata.icc[at : at + size] for at in range(0, len(metadata.icc), size)]
    if len(pieces) > 255:
        notes.append(
            f"a colour profile of {len(metadata.icc)} bytes was dropped, too large for JPEG"
        )
        pieces = []
    for number, piece in enumerate(pieces, start=1):
        parts.append(_segment(0xE2, _ICC_HEAD + bytes([number, len(pieces)]) + piece))
    first = next(segments(data))  # JFIF, which must come first
    across, down = (round(value) for value in metadata.dpi or (0, 0))
    unit = int(min(across, down) > 0 and max(across, down) < 2**16)
    density_bytes = struct.pack(">BHH", unit, across if unit else 1, down if unit else 1)
    head = data[: first.body + 7] + density_bytes
    rest = data[first.body + 12 :]
    size = first.end - first.body - 12
    return head + rest[:size] + b"".join(parts) + rest[size:], tuple(notes)


def _lost(data: bytes) -> tuple[str, ...]:
    """Returns notes on metadata that are not read."""
    notes = []
    for marker, body in _header_segments(data):
        if marker == 0xE1 and body.startswith(_LONG_XMP_HEAD):
            notes.append(_LONG_XMP)
        elif marker == 0xE2 and body.startswith(_FURTHER_HEAD):
            notes.append("further images in the file, such as a gain map, were dropped")
    return tuple(dict.fromkeys(notes))


def _subsampling(data: bytes) -> Subsampling | None:
    """Returns the subsampling of a file of three channels, if it is a usual one."""
    body = next((body for marker, body in _header_segments(data) if marker in FRAMES), b"")
    factors = tuple(body[7:15:3])
    if len(factors) != 3 or body[5] != 3 or factors[1:] != (0x11, 0x11):
        return None
    return _SUBSAMPLINGS.get(factors[0])


def _frame(data: bytes) -> tuple[int, int, int]:
    """Returns height, width and the number of colour channels; 0 if unknown."""
    for segment in segments(data):
        if segment.marker in FRAMES:
            head = data[segment.body + 1 : min(segment.body + 6, segment.end)]
            return struct.unpack(">HHB", head) if len(head) == 5 else (0, 0, 0)
    return 0, 0, 0


def _header_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields marker and body of each segment before the first scan."""
    for segment in segments(data):
        if segment.marker == _SCAN:
            return
        yield segment.marker, data[segment.body : segment.end]


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def segments(data: bytes) -> Iterator[_Segment]:
    """Yields the segments up to and including the end marker; scan data are skipped."""
    at = len(_START) if data.startswith(_START) else len(data)
    while match := _MARKER.search(data, at):
        marker, body = match[1][0], match.end() + 2
        if marker == _END:
            yield _Segment(marker, match.start(), match.end(), match.end())
            return
        if marker in {0x01, 0xD8}:  # markers without a body
            at = match.end()
            continue
        at = match.end() + max(2, int.from_bytes(data[match.end() : body], "big"))
        yield _Segment(marker, match.start(), body, at)


def _ends_flat(pixels: Pixels, block: int) -> bool:
    """Whether the bottom right block, of so many pixels along each side, has a single colour."""
    height, width = pixels.shape[:2]
    corner = pixels[-min(4, (height - 1) % block + 1) :, -min(4, (width - 1) % block + 1) :]
    return bool((corner == corner[-1:, -1:]).all())


def _preview(data: bytes, reduction: int) -> Pixels | None:
    """Decodes at reduced size, which reads all scan data but skips most of the computation."""

    def smaller(image: Image) -> Pixels:
        width, height = (max(1, side // reduction) for side in image.size)
        image.draft(None, (width, height))
        return np.array(image)

    return with_pillow(data, smaller)
