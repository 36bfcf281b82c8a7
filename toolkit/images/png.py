"""PNG chunks: transparent grey, density, XMP and other text."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from toolkit.images.metadata import density
from toolkit.images.picture import Metadata, Pixels

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_METRE = 0.0254
_XMP_HEAD = b"XML:com.adobe.xmp\0"
_MOST_TEXT = 2**24
"""Most bytes that a compressed packet may have."""
_REPORTED = {b"Title", b"Author", b"Description", b"Copyright", b"Creation Time", b"Comment"}


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields kind and content of each chunk before the pixels."""
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind in {b"IDAT", b"IEND"}:
            return
        yield kind, data[at + 8 : at + 8 + size]
        at += 12 + size


def grey_alpha(data: bytes, grey: Pixels) -> Pixels | None:
    """Returns alpha for grey pixels, both `[h, w]`, if a grey level is declared transparent."""
    contents = dict(chunks(data))
    header, level = contents.get(b"IHDR", b""), contents.get(b"tRNS", b"")
    if len(header) < 10 or header[9] != 0 or len(level) != 2:
        return None
    full = np.iinfo(grey.dtype).max
    key = int.from_bytes(level, "big") * (full // (2 ** header[8] - 1))
    return np.where(grey == key, 0, full).astype(grey.dtype)


def dpi_of(data: bytes) -> tuple[float, float] | None:
    """Returns pixels per inch, across and down; None if unknown."""
    content = dict(chunks(data)).get(b"pHYs", b"")
    if len(content) != 9 or content[8] != 1:
        return None
    across, down = struct.unpack(">II", content[:8])
    return density(across, down, _METRE)


def xmp_of(data: bytes) -> bytes:
    """Returns the XMP packet; empty if there is none."""
    for kind, content in chunks(data):
        if kind not in {b"iTXt", b"tEXt"} or not content.startswith(_XMP_HEAD):
            continue
        rest = content.removeprefix(_XMP_HEAD)
        if kind == b"tEXt":  # as OpenCV writes it
            return rest
        packet = rest[2:].split(b"\0", 2)[-1]  # after a language and a translated keyword
        return _inflated(packet) if rest[:1] == b"\1" else packet
    return b""


def _inflated(content: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(content, _MOST_TEXT)
    except zlib.error:
        return b""


def lost(data: bytes) -> tuple[str, ...]:
    """Returns a note on text chunks, which are not read."""
    keywords = {text[:80].split(b"\0")[0] for kind, text in chunks(data) if kind in _TEXT}
    reported = sorted(keyword.decode() for keyword in keywords & _REPORTED)
    return (f"PNG text was dropped: {', '.join(reported)}",) if reported else ()


_TEXT = {b"tEXt", b"zTXt", b"iTXt"}


def with_metadata(data: bytes, metadata: Metadata) -> bytes:
    """Adds density and XMP to a PNG file."""
    added = b""
    if metadata.dpi:
        across, down = (min(round(value / _METRE), 2**31 - 1) for value in metadata.dpi)
        added += chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if metadata.xmp:
        added += chunk(b"iTXt", _XMP_HEAD + bytes(4) + metadata.xmp)
    at = len(SIGNATURE) + 25  # after the IHDR chunk
    return data[:at] + added + data[at:]


def chunk(kind: bytes, content: bytes) -> bytes:
    """Encodes a chunk, with its length and checksum."""
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check
