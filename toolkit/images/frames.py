"""Counts the pages or frames of a file, of which only the first is read."""

from __future__ import annotations

import struct

from toolkit.images import png, tiff
from toolkit.images.pillow import with_pillow
from toolkit.images.tags import parse


def note_on_frames(data: bytes) -> tuple[str, ...]:
    """Returns a note if the file has several pages or frames."""
    count = _count(data)
    return (f"only the first of {count} pages or frames was read",) if count > 1 else ()


def _count(data: bytes) -> int:
    if data.startswith(b"\x89PNG"):
        content = dict(png.chunks(data)).get(b"acTL", b"")
        return int.from_bytes(content[:4], "big")
    if data[:4] == b"RIFF":
        return _webp_frames(data)
    if data[:3] == b"GIF" or data[4:8] == b"ftyp":
        return with_pillow(data, lambda image: int(getattr(image, "n_frames", 1))) or 1
    parsed = parse(data)
    return tiff.pages(parsed) if parsed else 1


def _webp_frames(data: bytes) -> int:
    count, at = 0, 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        count += kind == b"ANMF"
        at += 8 + size + size % 2
    return count
