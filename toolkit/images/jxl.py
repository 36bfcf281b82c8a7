"""JPEG XL files, by the optional library pillow-jxl-plugin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from toolkit.images import boxes, jxl_header
from toolkit.images.encoding import Settled
from toolkit.images.metadata import take_orientation
from toolkit.images.picture import Decoded, Metadata, Pixels
from toolkit.images.spaces import to_srgb
from toolkit.images.xmp import upright

FAULTS = (OSError, ValueError, RuntimeError, IndexError)
"""What is raised for damaged files."""
_SHAPES = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "I;16": 1}
_EFFORT = 5
"""Of 1 to 9. Seven takes twice as long, for files that are not smaller."""
_METADATA = {b"Exif": "EXIF data", b"xml ": "XMP data"}
_METADATA_BYTES = 2**24
"""Most bytes that compressed metadata may have."""


class Unpacked(NamedTuple):
    """A decoded file."""

    decoded: Decoded | None
    metadata: Metadata
    jpeg: bytes = b""
    """The JPEG file that it was made from without loss; empty if it was not."""


def read(data: bytes) -> Unpacked:
    """Decodes the first frame, upright; the orientation in EXIF is reset.

    Raises:
        OSError, ValueError, RuntimeError, IndexError: The file is damaged (`FAULTS`).
    """
    from pillow_jxl import Decoder

    is_jpeg, info, content, icc, _ = Decoder(num_threads=-1)(data)
    if is_jpeg:
        return Unpacked(None, Metadata(), bytes(content))
    header = jxl_header.parse(data)
    if info.mode not in _SHAPES or header.floating:
        raise ValueError("of floating-point values")
    kind = np.dtype(np.uint16 if info.mode == "I;16" else np.uint8)
    shape = info.height, info.width, _SHAPES[info.mode]
    pixels = np.frombuffer(content, kind).reshape(shape)
    notes = []
    if header.animated:
        notes.append("only the first frame of the animation was read")
    if header.bits > kind.itemsize * 8:
        notes.append(f"{header.bits} bits were reduced to 8 in reading JPEG XL")
    decoded = Decoded(
        pixels[..., : 3 if shape[2] > 2 else 1],
        pixels[..., -1] if shape[2] in {2, 4} else None,
        notes=tuple(notes),
    )
    return Unpacked(decoded, _metadata(data, bytes(icc)))


def encode(pixels: Pixels, metadata: Metadata, encoding: Settled) -> tuple[bytes, tuple[str, ...]]:
    """Encodes grey, RGB or RGBA, `[h, w, c]`, of 8 bits; also returns notes.

    The library writes no profiles, so that colours of another space than sRGB are converted, and
    takes grey of 16 bits for linear light.
    """
    from pillow_jxl import Encoder

    notes: tuple[str, ...] = ()
    if metadata.icc:
        pixels, notes = to_srgb(pixels, metadata.icc)
    height, width, channels = pixels.shape
    lossless = encoding.quality == 100
    encoder = Encoder(
        mode={1: "L", 3: "RGB", 4: "RGBA"}[channels],
        lossless=lossless,
        quality=encoding.quality,
        effort=_EFFORT,
        use_container=True,
        use_original_profile=lossless,
        num_threads=-1,
    )
    file: bytes = encoder(
        np.ascontiguousarray(pixels).tobytes(),
        width,
        height,
        jpeg_encode=False,
        exif=bytes(4) + metadata.exif if metadata.exif else None,  # the offset of its start
        xmp=metadata.xmp or None,
        jumb=None,
        compress=False,
    )
    return file, notes


def _metadata(data: bytes, icc: bytes) -> Metadata:
    metadata = Metadata(icc=b"" if _is_srgb(icc) else icc)
    for kind, content in _metadata_boxes(data):
        if content is None:
            lost = f"{_METADATA[kind]} were dropped, as they are compressed: pip install brotli"
            metadata = replace(metadata, lost=(*metadata.lost, lost))
        elif kind == b"Exif" and not metadata.exif:
            begin = 4 + int.from_bytes(content[:4], "big")
            # Some programs leave the offset out.
            exif = content if content[:4] in {b"II*\0", b"MM\0*"} else content[begin:]
            metadata = replace(metadata, exif=take_orientation(exif)[1])
        elif kind == b"xml " and not metadata.xmp:
            metadata = replace(metadata, xmp=upright(content))
    return metadata


def _metadata_boxes(data: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """Yields kind and content of the boxes of metadata; None if it cannot be decompressed."""
    if not data.startswith(b"\0"):  # no container
        return
    for kind, start, end in boxes.boxes(data):
        inner = data[start : start + 4]
        if kind == b"brob" and inner in _METADATA:
            yield inner, _decompressed(data[start + 4 : end])
        elif kind in _METADATA:
            yield kind, data[start:end]


def _decompressed(content: bytes) -> bytes | None:
    """Decompresses metadata; None without the library brotli, or if they are damaged."""
    try:
        import brotli
    except ImportError:
        return None
    try:
        unpacked: bytes = brotli.Decompressor().process(
            content, output_buffer_limit=_METADATA_BYTES
        )
    except brotli.error:
        return None
    return unpacked


def _is_srgb(icc: bytes) -> bool:
    """Whether the decoder made this profile for sRGB, as it does for files without one.

    It names its profiles by white point, primaries and curve.
    """
    name = icc.replace(b"\0", b"").partition(b"mluc")[2][:40]
    return b"sRGBmluc" in name or b"Gra_D65_Rel_SRG" in name
