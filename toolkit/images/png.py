"""PNG's chunks: grey that is transparent, density, text and animation."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from toolkit.images.metadata import density
from toolkit.images.picture import Pixels

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_METRE = 0.0254
_TOLD = {b"Title", b"Author", b"Description", b"Copyright", b"Creation Time", b"Comment"}


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each chunk, up to the pixels."""
    at = len(_SIGNATURE)
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind in {b"IDAT", b"IEND"}:
            return
        yield kind, data[at + 8 : at + 8 + size]
        at += 12 + size


def grey_alpha(data: bytes, grey: Pixels) -> Pixels | None:
    """Alpha `[h, w]` of grey pixels `[h, w]` where one level is transparent; None where none is."""
    found = dict(chunks(data))
    header, level = found.get(b"IHDR", b""), found.get(b"tRNS", b"")
    if len(header) < 10 or header[9] != 0 or len(level) != 2:
        return None
    most = np.iinfo(grey.dtype).max
    key = int.from_bytes(level, "big") * (most // (2 ** header[8] - 1))
    return np.where(grey == key, 0, most).astype(grey.dtype)


def dpi_of(data: bytes) -> tuple[float, float] | None:
    """Pixels an inch, across and down."""
    content = dict(chunks(data)).get(b"pHYs", b"")
    if len(content) != 9 or content[8] != 1:
        return None
    across, down = struct.unpack(">II", content[:8])
    return density(across, down, _METRE)


def lost(data: bytes) -> tuple[str, ...]:
    """Notes on text, which is not read."""
    texts = {each[:80].split(b"\0")[0] for kind, each in chunks(data) if kind in _TEXT}
    told = sorted(each.decode() for each in texts & _TOLD)
    return (f"PNG text was dropped: {', '.join(told)}",) if told else ()


_TEXT = {b"tEXt", b"zTXt", b"iTXt"}


def with_dpi(data: bytes, dpi: tuple[float, float]) -> bytes:
    """A PNG file that says a density."""
    across, down = (min(round(each / _METRE), 2**31 - 1) for each in dpi)
    content = b"pHYs" + struct.pack(">IIB", across, down, 1)
    chunk = struct.pack(">I", 9) + content + struct.pack(">I", zlib.crc32(content))
    at = len(_SIGNATURE) + 25  # behind the header
    return data[:at] + chunk + data[at:]
