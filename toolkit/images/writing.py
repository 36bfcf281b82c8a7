"""Writes image files atomically, and reports what a format cannot store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from toolkit.errors import ImageError
from toolkit.files import writing_atomically
from toolkit.image_files import IMAGE_SUFFIXES, JPEG_SUFFIXES
from toolkit.images import jpeg, png, tiff
from toolkit.images.metadata import exif_density, with_bmp_dpi, with_density
from toolkit.images.picture import Metadata, Picture, Pixels

_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_WEBP_QUALITY, 95]
_LUMA = torch.tensor([0.299, 0.587, 0.114])
_STRIP = 256
"""Rows converted to integers at a time, to save memory."""
_SIDES = {"JPEG": 65500, "WebP": 16383}
"""Largest side of an image, in pixels."""
_TIFF_BYTES = 4 * 10**9
_TIFF_SUFFIXES = frozenset({".tif", ".tiff"})


def write_picture(picture: Picture, path: str | Path) -> tuple[str, ...]:
    """Writes an image file atomically, in the format of its suffix.

    Values are clamped to [0, 1] and rounded. PNG and TIFF keep 16 bits; JPEG and WebP are written
    with quality 95. An existing file is replaced.

    Returns:
        Notes on what was lost: metadata when the picture was read, then anything that the format
        cannot store, such as alpha in JPEG.

    Raises:
        ImageError: The format is unknown, the image is too large for it, or the file cannot be
            written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        hint = f"Name it with one of {' '.join(sorted(IMAGE_SUFFIXES))}"
        raise ImageError(f"Cannot write {path}: the format '{suffix}' is unknown", hint=hint)
    picture, notes = _fit_format(picture, suffix)
    data, further = _encode(picture, path, suffix)
    _write_bytes(path, data)
    return picture.metadata.lost + notes + further


def why_too_large(suffix: str, width: int, height: int, bytes_a_pixel: int = 8) -> str:
    """Returns why a format cannot store an image of this size; empty if it can.

    Args:
        suffix: File suffix of the format.
        width: Width in pixels.
        height: Height in pixels.
        bytes_a_pixel: Bytes per pixel, over all channels; 8 for RGB and alpha of 16 bits.
    """
    kind = "JPEG" if suffix in JPEG_SUFFIXES else "WebP" if suffix == ".webp" else ""
    if kind and max(width, height) > _SIDES[kind]:
        return f"{kind} holds at most {_SIDES[kind]} pixels per side, not {width}x{height}"
    if suffix in {".tif", ".tiff"} and width * height * bytes_a_pixel > _TIFF_BYTES:
        return f"TIFF holds at most 4 GB, and {width}x{height} pixels may need more"
    return ""


def _fit_format(picture: Picture, suffix: str) -> tuple[Picture, tuple[str, ...]]:
    """Reduces a picture to what its format can store; also returns notes on the rest."""
    notes = []
    rgb, alpha, bits, metadata = picture.rgb, picture.alpha, picture.bits, picture.metadata
    if alpha is not None and suffix in JPEG_SUFFIXES:
        rgb, alpha = rgb * alpha + (1 - alpha), None
        notes.append("transparency was blended with white, as JPEG has none")
    if bits == 16 and suffix not in {".png", *_TIFF_SUFFIXES}:
        bits = 8
        notes.append(f"16 bits were reduced to 8, the most that {suffix} stores")
    if metadata.icc[16:20] == b"GRAY" and (alpha is not None or not picture.grey):
        metadata = replace(metadata, icc=b"")
        notes.append("the grey colour profile was dropped, as it needs grey without transparency")
    if suffix == ".bmp":
        parts = {"colour profile": metadata.icc, "EXIF data": metadata.exif, "XMP": metadata.xmp}
        notes += [
            f"the {name} was dropped, as BMP has none" for name, part in parts.items() if part
        ]
        metadata = replace(metadata, exif=b"", xmp=b"", icc=b"")
    elif suffix == ".webp" and metadata.dpi and not exif_density(metadata.exif):
        metadata = replace(metadata, exif=with_density(metadata.exif, metadata.dpi))
    fitting = replace(picture, rgb=rgb, alpha=alpha, bits=bits, metadata=metadata)
    return fitting, tuple(notes)


def _pixels(picture: Picture) -> Pixels:
    """Converts to OpenCV's integers, `[h, w, c]` in BGR order; grey has one channel if valid."""
    full = 2**picture.bits - 1
    # An RGB profile is invalid in a file of one channel.
    single = picture.grey and picture.alpha is None and picture.metadata.icc[16:20] != b"RGB "
    channels = 1 if single else 3 if picture.alpha is None else 4
    height, width = picture.rgb.shape[1:]
    values = np.empty((height, width, channels), np.uint8 if full == 255 else np.uint16)
    for start in range(
        0, height, _STRIP
    ):  # a float copy of the whole would take four times its memory
        rows = slice(start, start + _STRIP)
        strip = picture.rgb[:, rows].detach().cpu().float()
        if picture.grey:
            strip = (strip * _LUMA[:, None, None]).sum(0, keepdim=True).expand(3, -1, -1)
        parts = [strip[:1] if single else strip.flip(0)]
        if picture.alpha is not None:
            parts.append(picture.alpha[:, rows].detach().cpu().float())
        values[rows] = (torch.cat(parts).clamp(0, 1) * full).round_().permute(1, 2, 0).numpy()
    return values


def _encode(picture: Picture, path: Path, suffix: str) -> tuple[bytes, tuple[str, ...]]:
    """Returns the file's content, and notes on metadata that do not fit."""
    pixels, metadata = _pixels(picture), picture.metadata
    if suffix in JPEG_SUFFIXES:
        return jpeg.with_metadata(_compressed(pixels, path, ".jpg", Metadata()), metadata)
    if suffix in _TIFF_SUFFIXES:
        data = _compressed(pixels, path, suffix, Metadata())
        return tiff.with_metadata(data, metadata, alpha=picture.alpha is not None)
    data = _compressed(pixels, path, suffix, metadata)
    if metadata.dpi and suffix == ".png":
        data = png.with_dpi(data, metadata.dpi)
    elif metadata.dpi and suffix == ".bmp":
        data = with_bmp_dpi(data, metadata.dpi)
    return data, ()


def _compressed(pixels: Pixels, path: Path, suffix: str, metadata: Metadata) -> bytes:
    kinds = (cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_XMP, cv2.IMAGE_METADATA_ICCP)
    contents = (metadata.exif, metadata.xmp, metadata.icc)
    present = [(kind, chunk) for kind, chunk in zip(kinds, contents, strict=True) if chunk]
    chunks = [np.frombuffer(chunk, np.uint8) for _, chunk in present]
    types = [kind for kind, _ in present]
    done, encoded = cv2.imencodeWithMetadata(suffix, pixels, types, chunks, _QUALITY)
    if not done:
        height, width = pixels.shape[:2]
        hint = "JPEG holds at most 65500 pixels per side, WebP 16383: write a .png or .tif file"
        raise ImageError(f"Cannot write {path}: {width}x{height} pixels do not fit", hint=hint)
    return encoded.tobytes()


def _write_bytes(path: Path, data: bytes) -> None:
    try:
        with writing_atomically(path, sync=False) as stream:
            stream.write(data)
    except OSError as error:
        raise ImageError(f"Cannot write {path}: {error.strerror}", "Write elsewhere") from error
