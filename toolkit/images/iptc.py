"""IPTC records, and the image resources of Photoshop which wrap them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_IPTC = 0x0404
_SIGNATURE = b"8BIM"


def from_resources(data: bytes) -> bytes:
    """Returns the IPTC records among image resources; empty if there are none.

    Source: Adobe Photoshop File Formats Specification, Image Resource Blocks.
    """
    return b"".join(content for number, content in _resources(data) if number == _IPTC)


def to_resources(records: bytes) -> bytes:
    """Wraps IPTC records as an image resource; empty if there are none."""
    if not records:
        return b""
    head = _SIGNATURE + struct.pack(">HHI", _IPTC, 0, len(records))  # with an empty name
    return head + records + b"\0" * (len(records) % 2)


def from_tag(data: bytes) -> bytes:
    """Returns the records in a field of a TIFF file, whose words some programs swap."""
    if data[:1] != b"\x1c" and data[3:4] == b"\x1c" and len(data) % 4 == 0:
        words = struct.unpack(f"<{len(data) // 4}I", data)
        data = struct.pack(f">{len(words)}I", *words)
    at = 0
    while data[at : at + 1] == b"\x1c" and at + 5 <= len(data):
        (size,) = struct.unpack_from(">H", data, at + 3)
        if size & 0x8000:  # a size of several bytes
            return data
        at += 5 + size
    return data[:at]  # without padding to whole words


def _resources(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while data[at : at + 4] == _SIGNATURE and at + 7 <= len(data):
        (number,) = struct.unpack_from(">H", data, at + 4)
        named = 1 + data[at + 6]
        at += 6 + named + named % 2
        if at + 4 > len(data):
            return
        (size,) = struct.unpack_from(">I", data, at)
        yield number, data[at + 4 : at + 4 + size]
        at += 4 + size + size % 2
