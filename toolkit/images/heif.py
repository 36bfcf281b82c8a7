"""HEIC files, by the optional library pillow-heif."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from toolkit.images import boxes
from toolkit.images.encoding import Encoding, Settled, Subsampling
from toolkit.images.metadata import take_orientation
from toolkit.images.picture import Decoded, Metadata, Pixels
from toolkit.images.xmp import upright

_EXIF_HEAD = b"Exif\0\0"
_CHROMA: dict[int | None, Subsampling] = {420: "4:2:0", 422: "4:2:2", 444: "4:4:4"}
_PRESET = "veryfast"
"""The encoder's own is several times as slow, for files 3 % smaller."""
FAULTS = (OSError, ValueError, SyntaxError, EOFError, RuntimeError)
"""What pillow-heif raises for damaged files."""


def read(data: bytes) -> tuple[Decoded, Metadata, Encoding]:
    """Decodes the primary image, upright as the file tells; the orientation in EXIF is reset.

    Raises:
        OSError, ValueError, SyntaxError, EOFError, RuntimeError: The file is damaged (`FAULTS`).
    """
    import pillow_heif

    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = file[file.primary_index]
    pixels: Pixels = np.asarray(image)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    info: dict[str, Any] = image.info
    channels = pixels.shape[2]
    _, exif = take_orientation((info.get("exif") or b"").removeprefix(_EXIF_HEAD))
    decoded = Decoded(
        pixels[..., : 3 if channels > 2 else 1],
        pixels[..., -1] if channels in {2, 4} else None,
        multiplied=image.premultiplied_alpha,
        notes=_notes(data, len(file), bool(info.get("aux") or info.get("depth_images"))),
        bits=info["bit_depth"] if pixels.dtype == np.uint16 else 8,
    )
    xmp, icc = info.get("xmp") or b"", info.get("icc_profile") or b""
    return (
        decoded,
        Metadata(exif, upright(xmp), icc),
        Encoding(None, _CHROMA.get(info.get("chroma"))),
    )


def encode(pixels: Pixels, metadata: Metadata, encoding: Settled, bits: int) -> bytes:
    """Encodes grey, RGB or RGBA, `[h, w, c]`, of 8 or 10 bits."""
    import pillow_heif

    height, width, channels = pixels.shape
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    if bits > 8:
        mode, pixels = f"{mode};16", pixels << (16 - bits)
    file = io.BytesIO()
    pillow_heif.encode(
        mode,
        (width, height),
        np.ascontiguousarray(pixels).tobytes(),
        file,
        quality=encoding.quality,
        chroma=int(encoding.subsampling.replace(":", "")),
        exif=metadata.exif or None,
        xmp=metadata.xmp or None,
        icc_profile=metadata.icc or None,
        enc_params={"preset": _PRESET},
    )
    return file.getvalue()


def _notes(data: bytes, count: int, further: bool) -> tuple[str, ...]:
    notes = []
    if count > 1:
        notes.append(f"only the first of {count} pages or frames was read")
    if further:
        notes.append("further images in the file, such as a gain map, were dropped")
    if boxes.is_hdr(data):
        notes.append("its HDR curve was not converted")
    return tuple(notes)
