"""Encodes pixels as files, with the libraries of the formats."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from toolkit.image_files import HEIC_SUFFIXES, JPEG_SUFFIXES, TIFF_SUFFIXES
from toolkit.images import avif, heif, jpeg, jxl, png, tiff
from toolkit.images.encoding import Settled, Subsampling
from toolkit.images.fitting import Fitted
from toolkit.images.metadata import with_bmp_dpi
from toolkit.images.picture import Metadata, Pixels, in_bgr

_SAMPLING: dict[Subsampling, int] = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}


def encode_file(
    pixels: Pixels, fitted: Fitted, suffix: str, encoding: Settled, *, restart: bool = False
) -> tuple[bytes, tuple[str, ...]]:
    """Returns a file's content, and notes on what does not fit.

    With `restart`, a marker follows each row of blocks in JPEG.
    """
    metadata = fitted.metadata
    notes: tuple[str, ...] = ()
    if suffix in HEIC_SUFFIXES:
        data = heif.encode(pixels, metadata, encoding, fitted.bits)
    elif suffix == ".jxl":
        data, notes = jxl.encode(pixels, metadata, encoding)
    elif suffix == ".avif":
        data, notes = avif.encode(pixels, metadata, encoding, fitted.bits)
    elif suffix == ".webp":
        data = _by_opencv(pixels, suffix, metadata, encoding)
    elif suffix == ".png":
        data = _by_opencv(pixels, suffix, replace(metadata, xmp=b""), encoding)
        data = png.with_metadata(data, metadata)
    elif suffix in JPEG_SUFFIXES:
        data = _by_opencv(pixels, ".jpg", Metadata(), encoding, restart=restart)
        data, notes = jpeg.with_metadata(data, metadata)
    else:
        data = _by_opencv(pixels, suffix, Metadata(), encoding)
        if suffix in TIFF_SUFFIXES:
            data, notes = tiff.with_metadata(data, metadata, alpha=fitted.alpha)
        elif metadata.dpi:
            data = with_bmp_dpi(data, metadata.dpi)
    return data, notes


def _by_opencv(
    pixels: Pixels, suffix: str, metadata: Metadata, encoding: Settled, *, restart: bool = False
) -> bytes:
    kinds = (cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_XMP, cv2.IMAGE_METADATA_ICCP)
    contents = (metadata.exif, metadata.xmp, metadata.icc)
    present = [(kind, chunk) for kind, chunk in zip(kinds, contents, strict=True) if chunk]
    chunks = [np.frombuffer(chunk, np.uint8) for _, chunk in present]
    types = [kind for kind, _ in present]
    settings = [cv2.IMWRITE_JPEG_QUALITY, encoding.quality]
    settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SAMPLING[encoding.subsampling]]
    settings += [cv2.IMWRITE_WEBP_QUALITY, encoding.quality]
    if restart:
        block = 8 if pixels.shape[2] == 1 or encoding.subsampling == "4:4:4" else 16
        settings += [cv2.IMWRITE_JPEG_RST_INTERVAL, -(-pixels.shape[1] // block)]
    done, encoded = cv2.imencodeWithMetadata(suffix, in_bgr(pixels), types, chunks, settings)
    if not done:
        raise ValueError("too large")
    return encoded.tobytes()
