"""Sizes of images, from the headers of their files alone."""

from __future__ import annotations

import struct
from collections.abc import Callable

from toolkit.images import boxes, jpeg, jxl_header
from toolkit.images.metadata import number
from toolkit.images.tags import parse


def size_of(data: bytes) -> tuple[int, int] | None:
    """Returns the width and height that a file claims, in pixels; None if unknown.

    Nothing is decoded, so that a small file which claims to be huge costs no memory.
    """
    other = _media if data[4:8] == b"ftyp" else _tiff
    read = next((read for start, read in _BY_START.items() if data.startswith(start)), other)
    try:
        return read(data)
    except (struct.error, IndexError):
        return None


def _tiff(data: bytes) -> tuple[int, int] | None:
    parsed = parse(data)
    if parsed is None:
        return None
    page = parsed.directories[0]
    return int(number(page, 256, 0)), int(number(page, 257, 0))


def _media(data: bytes) -> tuple[int, int] | None:
    sizes = [_two(">II", each, 4) for each in boxes.properties(data, b"ispe")]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _jpeg_2000(data: bytes) -> tuple[int, int]:
    height, width = _two(">II", next(boxes.find(data, b"jp2h", b"ihdr"), b""), 0)
    return width, height


def _jxl(data: bytes) -> tuple[int, int]:
    header = jxl_header.parse(data)
    return header.width, header.height


def _png(data: bytes) -> tuple[int, int]:
    return _two(">II", data, 16)


def _gif(data: bytes) -> tuple[int, int]:
    return _two("<HH", data, 6)


def _bmp(data: bytes) -> tuple[int, int]:
    width, height = _two("<HH" if data[14:18] == b"\x0c\0\0\0" else "<ii", data, 18)
    return abs(width), abs(height)


def _webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = _two("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _two(form: str, data: bytes, at: int) -> tuple[int, int]:
    first, second = struct.unpack_from(form, data, at)
    return first, second


_BY_START: dict[bytes, Callable[[bytes], tuple[int, int] | None]] = {
    b"\xff\xd8": jpeg.size,
    b"\x89PNG": _png,
    b"GIF8": _gif,
    b"BM": _bmp,
    b"RIFF": _webp,
    b"\0\0\0\x0cjP  ": _jpeg_2000,
    **dict.fromkeys(jxl_header.STARTS, _jxl),
}
