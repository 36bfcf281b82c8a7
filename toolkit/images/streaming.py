"""Writes PNG, TIFF and JPEG files row by row, so that an image need not fit into memory.

A writer takes strips of rows and a function that encodes a few rows as a whole file. Everything but
the pixels comes from such a file: header, colour type, profile and other metadata.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import IO

import numpy as np

from toolkit.image_files import JPEG_SUFFIXES, TIFF_SUFFIXES
from toolkit.images.jpeg import FRAMES, segments
from toolkit.images.picture import Pixels
from toolkit.images.png import SIGNATURE
from toolkit.images.png import chunk as png_chunk
from toolkit.images.tags import LONG, SHORT, Form, build, field, parse

Encode = Callable[[Pixels], bytes]
"""Encodes rows, `[rows, w, c]`, as a file of their own with the metadata of the whole."""

STREAMED = 4_000_000
"""Pixels from which files are written row by row."""
ROWS = 256
"""Rows in a strip but the last: a multiple of eight rows of JPEG's blocks."""
_IDAT = 2**18
_LEVEL = 4
"""Of zlib; photographs hardly become smaller at higher levels, which take several times as long."""
_WIDTH, _HEIGHT, _COMPRESSION, _OFFSETS, _ROWS, _COUNTS, _PREDICTOR = (
    256, 257, 259, 273, 278, 279, 317,
)  # fmt: skip
_DEFLATE = 8
_START_OF_SCAN, _END = 0xDA, b"\xff\xd9"
_LAST_RESTART = b"\xff\xd7"


def streams(suffix: str, pixels: int = STREAMED) -> bool:
    """Whether a file with this suffix and number of pixels is written row by row."""
    return pixels >= STREAMED and suffix in {".png"} | TIFF_SUFFIXES | JPEG_SUFFIXES


def write_streamed(
    stream: IO[bytes], suffix: str, strips: Iterable[Pixels], height: int, encode: Encode
) -> None:
    """Writes an image to a file.

    Args:
        stream: An empty file, which can seek.
        suffix: Of a format that `streams`.
        strips: `[rows, w, c]`, uint8 or uint16, RGB(A) or grey, from top to bottom, of any heights.
        height: All rows.
        encode: Encodes a strip as a file; in JPEG with a restart marker after each row of blocks.
    """
    parts = _of_equal_height(strips)
    if suffix == ".png":
        _write_png(stream, parts, height, encode)
    elif suffix in JPEG_SUFFIXES:
        _write_jpeg(stream, parts, height, encode)
    else:
        _write_tiff(stream, parts, height, encode)


def _of_equal_height(strips: Iterable[Pixels]) -> Iterator[Pixels]:
    """Yields the same rows in strips of `ROWS`, and a last one of those that are left."""
    held: list[Pixels] = []
    for strip in strips:
        held.append(strip)
        while sum(map(len, held)) >= ROWS:
            rows = np.concatenate(held)
            yield rows[:ROWS]
            held = [rows[ROWS:]]
    if any(map(len, held)):
        yield np.concatenate(held)


def _write_png(stream: IO[bytes], strips: Iterator[Pixels], height: int, encode: Encode) -> None:
    packer = zlib.compressobj(_LEVEL, strategy=zlib.Z_FILTERED)
    above, after, packed = None, b"", b""
    for strip in strips:
        if above is None:
            before, after = _around_pixels(encode(strip[:1]), height)
            stream.write(before)
            above = np.zeros_like(strip[0])
        packed += packer.compress(_filtered(strip, above))
        if len(packed) >= _IDAT:
            stream.write(png_chunk(b"IDAT", packed))
            packed = b""
        above = strip[-1].copy()
    stream.write(png_chunk(b"IDAT", packed + packer.flush()) + after)


def _around_pixels(png: bytes, height: int) -> tuple[bytes, bytes]:
    """Returns what stands before and behind a PNG file's pixels, for another height."""
    before, after = [SIGNATURE], list[bytes]()
    at, seen = len(SIGNATURE), False
    while at < len(png):
        size, kind = struct.unpack_from(">I4s", png, at)
        content = png[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            content = content[:4] + struct.pack(">I", height) + content[8:]
        if kind == b"IDAT":
            seen = True
        else:
            (after if seen else before).append(png_chunk(kind, content))
        at += 12 + size
    return b"".join(before), b"".join(after)


def _filtered(strip: Pixels, above: Pixels) -> bytes:
    """Applies PNG's filters: to each row, that of Sub, Up and Average with the smallest sum.

    Source: PNG specification, 12.8, Filter selection.
    """
    rows = np.ascontiguousarray(np.concatenate([above[None], strip]))
    if rows.dtype == np.uint16:
        rows = rows.astype(">u2")
    pixel = rows.itemsize * rows.shape[2]
    rows = rows.view(np.uint8).reshape(len(rows), -1)
    current, up = rows[1:], rows[:-1]
    left = np.zeros_like(current)
    left[:, pixel:] = current[:, :-pixel]
    mean = (left & up) + ((left ^ up) >> 1)  # rounded down, within eight bits
    kinds = np.stack([current - left, current - up, current - mean])
    sums = np.minimum(kinds, -kinds).sum(2, dtype=np.int64)
    chosen = sums.argmin(0)
    out = np.empty((len(current), 1 + current.shape[1]), np.uint8)
    out[:, 0] = chosen + 1
    out[:, 1:] = kinds[chosen, np.arange(len(current))]
    return out.tobytes()


def _write_tiff(stream: IO[bytes], strips: Iterator[Pixels], height: int, encode: Encode) -> None:
    form, directory = Form(), None
    stream.write(b"II*\0" + bytes(4))
    offsets, counts = [], []
    for strip in strips:
        if directory is None:
            tiff = parse(encode(strip[:1]))
            assert tiff is not None
            [directory] = tiff.directories
        packed = zlib.compress(_differences(strip), _LEVEL)
        offsets.append(stream.tell())
        counts.append(len(packed))
        stream.write(packed + bytes(len(packed) % 2))
    at = stream.tell()
    pixels = {
        _HEIGHT: field(LONG, height),
        _COMPRESSION: field(SHORT, _DEFLATE),
        _OFFSETS: field(LONG, *offsets),
        _ROWS: field(LONG, ROWS),
        _COUNTS: field(LONG, *counts),
        _PREDICTOR: field(SHORT, 2),
    }
    stream.write(build({**(directory or {}), **pixels}, form, at))
    stream.seek(form.root)
    stream.write(struct.pack(form.word, at))
    stream.seek(0, 2)


def _differences(strip: Pixels) -> bytes:
    """Returns what TIFF's predictor 2 stores: differences to the left neighbour, little-endian."""
    little = np.ascontiguousarray(strip).astype(strip.dtype.newbyteorder("<"))
    out = little.copy()
    out[:, 1:] -= little[:, :-1]
    return out.tobytes()


def _write_jpeg(stream: IO[bytes], strips: Iterator[Pixels], height: int, encode: Encode) -> None:
    """Joins the scans of strips that were encoded alone.

    A restart marker forgets the rows above it. As each strip has a multiple of eight rows of
    blocks, the numbers of its markers, from 0 to 7, go on in the next.
    """
    first = True
    for strip in strips:
        data = encode(strip)
        scan = _start_of_scan(data)
        if first:
            stream.write(_with_height(data[:scan], height))
        else:
            stream.write(_LAST_RESTART)
        stream.write(data[scan : data.rindex(_END)])
        first = False
    stream.write(_END)


def _start_of_scan(jpeg: bytes) -> int:
    """Returns where a JPEG file's pixels begin."""
    return next(each.end for each in segments(jpeg) if each.marker == _START_OF_SCAN)


def _with_height(head: bytes, height: int) -> bytes:
    """Changes the height in a JPEG file's segments."""
    at = next(each.body for each in segments(head) if each.marker in FRAMES) + 1
    return head[:at] + struct.pack(">H", height) + head[at + 2 :]
