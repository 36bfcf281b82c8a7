"""PNG chunks: transparent grey, density and text."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from toolkit.images.metadata import density
from toolkit.images.picture import Pixels

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_METRE = 0.0254
_REPORTED = {b"Title", b"Author", b"Description", b"Copyright", b"Creation Time", b"Comment"}


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields kind and content of each chunk before the pixels."""
    at = len(_SIGNATURE)
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


def lost(data: bytes) -> tuple[str, ...]:
    """Returns a note on text chunks, which are not read."""
    keywords = {text[:80].split(b"\0")[0] for kind, text in chunks(data) if kind in _TEXT}
    reported = sorted(keyword.decode() for keyword in keywords & _REPORTED)
    return (f"PNG text was dropped: {', '.join(reported)}",) if reported else ()


_TEXT = {b"tEXt", b"zTXt", b"iTXt"}


def with_dpi(data: bytes, dpi: tuple[float, float]) -> bytes:
    """Adds a density to a PNG file."""
    across, down = (min(round(value / _METRE), 2**31 - 1) for value in dpi)
    content = b"pHYs" + struct.pack(">IIB", across, down, 1)
    chunk = struct.pack(">I", 9) + content + struct.pack(">I", zlib.crc32(content))
    at = len(_SIGNATURE) + 25  # after the IHDR chunk
    return data[:at] + chunk + data[at:]
