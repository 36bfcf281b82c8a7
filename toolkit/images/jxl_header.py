"""The header of JPEG XL files: size, depth, and whether they are animated."""

from __future__ import annotations

from typing import NamedTuple

from toolkit.images import boxes

_CODESTREAM = b"\xff\x0a"
STARTS = (_CODESTREAM, b"\0\0\0\x0cJXL ")
"""First bytes of a file, without and with a container."""
_HEAD = 128
"""Bytes of the codestream that contain the header's fields which are read here."""
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


class Header(NamedTuple):
    """What the header says; (0, 0) if it is damaged."""

    width: int = 0
    height: int = 0
    bits: int = 8
    """Bits per channel."""
    floating: bool = False
    animated: bool = False


class _Bits:
    """Reads fields of bits, the least significant first."""

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise IndexError("the header is cut")
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        return value

    def choose(self, *distributions: tuple[int, int]) -> int:
        """Reads one of four kinds of numbers: an offset plus so many bits."""
        offset, count = distributions[self.take(2)]
        return offset + self.take(count)


def is_jxl(data: bytes) -> bool:
    """Whether a file starts like JPEG XL, with or without a container."""
    return data.startswith(STARTS)


def parse(data: bytes) -> Header:
    """Reads the header.

    Source: ISO/IEC 18181-1, annex D.

    Raises:
        IndexError: It is cut.
    """
    bits = _Bits(_codestream(data)[2:_HEAD])
    width, height = _size(bits)
    if bits.take(1):  # everything else has its default
        return Header(width, height)
    animated = False
    if bits.take(1):
        bits.take(3)  # orientation
        if bits.take(1):
            _size(bits)  # size when displayed
        if bits.take(1):
            return Header(width, height)  # a preview, after which fields are not read
        animated = bool(bits.take(1))
        if animated:
            bits.choose((100, 0), (1000, 0), (1, 10), (1, 30))
            bits.choose((1, 0), (1001, 0), (1, 8), (1, 10))
            bits.choose((0, 0), (0, 3), (0, 16), (0, 32))
            bits.take(1)
    floating = bool(bits.take(1))
    if floating:
        depth = bits.choose((32, 0), (16, 0), (24, 0), (1, 6))
    else:
        depth = bits.choose((8, 0), (10, 0), (12, 0), (1, 6))
    return Header(width, height, depth, floating, animated)


def _codestream(data: bytes) -> bytes:
    if data.startswith(_CODESTREAM):
        return data[:_HEAD]
    for kind, start, end in boxes.boxes(data):
        if kind == b"jxlc":
            return data[start : min(end, start + _HEAD)]
    stream = b""
    for kind, start, end in boxes.boxes(data):
        if kind == b"jxlp" and len(stream) < _HEAD:  # each part starts with its number
            stream += data[start + 4 : min(end, start + 4 + _HEAD)]
    return stream


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)

    def side() -> int:
        return 8 * (1 + bits.take(5)) if small else bits.choose((1, 9), (1, 13), (1, 18), (1, 30))

    height = side()
    ratio = bits.take(3)
    if not ratio:
        return side(), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height
