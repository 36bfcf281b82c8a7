"""Boxes of ISO base media files, such as AVIF and HEIC, and of JPEG 2000 and JPEG XL."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from toolkit.images.encoding import Subsampling


class CodecFacts(NamedTuple):
    """What an AVIF file says about its pixels."""

    bits: int
    """Bits per channel: 8, 10 or 12."""
    subsampling: Subsampling | None = None
    """None for grey."""


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yields the kind of each box, and where its content starts and ends."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= end:
            (size,), head = struct.unpack_from(">Q", data, start + 8), 16
        size = size or end - start  # 0: up to the end
        if size < head:
            return
        yield kind, start + head, min(start + size, end)
        start += size


def find(data: bytes, *path: bytes, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Yields the contents of all boxes at a path of kinds, such as `meta`, `iprp`, `ipco`."""
    for kind, first, last in boxes(data, start, end):
        if kind != path[0]:
            continue
        if len(path) == 1:
            yield data[first:last]
        else:
            # `meta` has a version before its boxes.
            inner = first + 4 if kind == b"meta" else first
            yield from find(data, *path[1:], start=inner, end=last)


def properties(data: bytes, kind: bytes) -> list[bytes]:
    """Returns the properties of one kind of the images in an AVIF or HEIC file."""
    return list(find(data, b"meta", b"iprp", b"ipco", kind))


def codec_facts(data: bytes) -> CodecFacts:
    """Returns what the first image in an AVIF file says about its pixels; 8 bits if it is silent.

    Source: AV1 Codec ISO Media File Format Binding, section 2.3.
    """
    configuration = next(iter(properties(data, b"av1C")), b"")
    if len(configuration) < 3:
        return CodecFacts(8)
    flags = configuration[2]
    bits = 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
    across, down, grey = flags & 8, flags & 4, flags & 0x10
    subsampling: Subsampling = "4:2:0" if down else "4:2:2" if across else "4:4:4"
    return CodecFacts(bits, None if grey else subsampling)


def is_hdr(data: bytes) -> bool:
    """Whether the colours of an AVIF or HEIC file are encoded by an HDR curve, PQ or HLG."""
    return any(
        colours[:4] == b"nclx" and int.from_bytes(colours[6:8], "big") in {16, 18}
        for colours in properties(data, b"colr")
    )
