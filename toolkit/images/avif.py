"""AVIF files: by Pillow in 8 bits, by OpenCV in 10 and 12."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import cv2
import numpy as np

from toolkit.images.encoding import Settled
from toolkit.images.picture import Metadata, Pixels, in_bgr

if TYPE_CHECKING:
    from PIL.Image import Image
from toolkit.images.pillow import with_pillow

_SPEED = 8
"""Of 0 to 10. Six takes three times as long, for files that are hardly smaller."""


def decode_by_pillow(data: bytes) -> Pixels | None:
    """Returns 8-bit pixels in BGR order, of files that OpenCV 5.0 does not read: XMP with alpha."""

    def decode(image: Image) -> Pixels:
        return in_bgr(np.array(image.convert("RGBA" if image.mode.endswith("A") else "RGB")))

    return with_pillow(data, decode)


def encode(
    pixels: Pixels, metadata: Metadata, encoding: Settled, bits: int
) -> tuple[bytes, tuple[str, ...]]:
    """Encodes grey, RGB or RGBA, `[h, w, c]`, of 8, 10 or 12 bits; also returns notes.

    Raises:
        OSError, RuntimeError, ValueError: It does not fit.
    """
    if bits == 8:
        return _by_pillow(pixels, metadata, encoding), ()
    notes: tuple[str, ...] = ()
    if encoding.subsampling != "4:2:0" and encoding.quality < 100 and pixels.shape[2] > 1:
        notes = (f"colours were stored in 4:2:0, as AVIF of {bits} bits is written here",)
    return _by_opencv(pixels, metadata, encoding, bits), notes


def _by_pillow(pixels: Pixels, metadata: Metadata, encoding: Settled) -> bytes:
    from PIL import Image

    grey = pixels.shape[2] == 1
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels))
    file = io.BytesIO()
    image.save(
        file,
        "AVIF",
        quality=encoding.quality,
        subsampling="4:0:0" if grey else encoding.subsampling,
        speed=_SPEED,
        exif=metadata.exif,
        xmp=metadata.xmp,
        icc_profile=metadata.icc,
    )
    return file.getvalue()


def _by_opencv(pixels: Pixels, metadata: Metadata, encoding: Settled, bits: int) -> bytes:
    contents = {
        cv2.IMAGE_METADATA_EXIF: metadata.exif,
        cv2.IMAGE_METADATA_XMP: metadata.xmp,
        cv2.IMAGE_METADATA_ICCP: metadata.icc,
    }
    present = {kind: np.frombuffer(part, np.uint8) for kind, part in contents.items() if part}
    settings = [cv2.IMWRITE_AVIF_QUALITY, encoding.quality, cv2.IMWRITE_AVIF_DEPTH, bits]
    done, file = cv2.imencodeWithMetadata(
        ".avif", in_bgr(pixels), [*present], [*present.values()], settings
    )
    if not done:
        raise ValueError("too large")
    return file.tobytes()
