"""Writes image files whole or not at all, and tells what a format cannot hold."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from toolkit.errors import ImageError
from toolkit.image_files import IMAGE_SUFFIXES, JPEG_SUFFIXES
from toolkit.images import jpeg, png, tiff
from toolkit.images.metadata import exif_density, with_bmp_dpi, with_density
from toolkit.images.picture import Metadata, Picture, Pixels

_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_WEBP_QUALITY, 95]
_LUMA = torch.tensor([0.299, 0.587, 0.114])
_STRIP = 256
"""Rows that are made integers at once."""
_SIDES = {"JPEG": 65500, "WebP": 16383}
"""The most pixels that a side may have."""
_TIFF_BYTES = 4 * 10**9
_TIFF_SUFFIXES = frozenset({".tif", ".tiff"})


def write_picture(picture: Picture, path: str | Path) -> tuple[str, ...]:
    """Writes an image file, in the format of its suffix, whole or not at all.

    Values are clamped to [0, 1] and rounded. PNG and TIFF keep 16 bits; JPEG and WebP have quality
    95. A file that is there already is replaced.

    Returns:
        Notes on what is not in the file: what the format cannot hold, such as JPEG's lack of
        alpha, after what of the metadata was lost before, when the picture was read.

    Raises:
        ImageError: The format is unknown or too small for the image, or the place is unwritable.
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
    """Why a format cannot hold an image of this size; empty where it can.

    Args:
        suffix: Of a file.
        width: In pixels.
        height: In pixels.
        bytes_a_pixel: Of all channels together; RGB and alpha of 16 bits have 8.
    """
    kind = "JPEG" if suffix in JPEG_SUFFIXES else "WebP" if suffix == ".webp" else ""
    if kind and max(width, height) > _SIDES[kind]:
        return f"{kind} holds at most {_SIDES[kind]} pixels a side, and this has {width}x{height}"
    if suffix in {".tif", ".tiff"} and width * height * bytes_a_pixel > _TIFF_BYTES:
        return f"TIFF holds at most 4 GB, and {width}x{height} pixels can take more"
    return ""


def _fit_format(picture: Picture, suffix: str) -> tuple[Picture, tuple[str, ...]]:
    """What of the picture the format can hold, and notes on the rest."""
    notes = []
    rgb, alpha, bits, metadata = picture.rgb, picture.alpha, picture.bits, picture.metadata
    if alpha is not None and suffix in JPEG_SUFFIXES:
        rgb, alpha = rgb * alpha + (1 - alpha), None
        notes.append("transparency was laid on white, as JPEG has none")
    if bits == 16 and suffix not in {".png", *_TIFF_SUFFIXES}:
        bits = 8
        notes.append(f"16 bits were reduced to 8, all that {suffix} holds")
    if metadata.icc[16:20] == b"GRAY" and (alpha is not None or not picture.grey):
        metadata = replace(metadata, icc=b"")
        notes.append("the grey colour profile was dropped, as it needs grey without transparency")
    if suffix == ".bmp":
        said = {"colour profile": metadata.icc, "EXIF data": metadata.exif, "XMP": metadata.xmp}
        notes += [f"the {name} was dropped, as BMP has none" for name, each in said.items() if each]
        metadata = replace(metadata, exif=b"", xmp=b"", icc=b"")
    elif suffix == ".webp" and metadata.dpi and not exif_density(metadata.exif):
        metadata = replace(metadata, exif=with_density(metadata.exif, metadata.dpi))
    fitting = replace(picture, rgb=rgb, alpha=alpha, bits=bits, metadata=metadata)
    return fitting, tuple(notes)


def _pixels(picture: Picture) -> Pixels:
    """Integers as OpenCV takes them: `[h, w, c]`, blue first, one channel where that is valid."""
    full = 2**picture.bits - 1
    # An RGB profile is invalid beside a single channel.
    single = picture.grey and picture.alpha is None and picture.metadata.icc[16:20] != b"RGB "
    channels = 1 if single else 3 if picture.alpha is None else 4
    height, width = picture.rgb.shape[1:]
    values = np.empty((height, width, channels), np.uint8 if full == 255 else np.uint16)
    for start in range(0, height, _STRIP):  # a copy of the whole would need four times its memory
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
    """The file's content, and notes on metadata that do not fit."""
    pixels, said = _pixels(picture), picture.metadata
    if suffix in JPEG_SUFFIXES:
        return jpeg.with_metadata(_compressed(pixels, path, ".jpg", Metadata()), said)
    if suffix in _TIFF_SUFFIXES:
        data = _compressed(pixels, path, suffix, Metadata())
        return tiff.with_metadata(data, said, alpha=picture.alpha is not None)
    data = _compressed(pixels, path, suffix, said)
    if said.dpi and suffix == ".png":
        data = png.with_dpi(data, said.dpi)
    elif said.dpi and suffix == ".bmp":
        data = with_bmp_dpi(data, said.dpi)
    return data, ()


def _compressed(pixels: Pixels, path: Path, suffix: str, said: Metadata) -> bytes:
    kinds = (cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_XMP, cv2.IMAGE_METADATA_ICCP)
    told = [pair for pair in zip(kinds, (said.exif, said.xmp, said.icc), strict=True) if pair[1]]
    chunks = [np.frombuffer(chunk, np.uint8) for _, chunk in told]
    types = [kind for kind, _ in told]
    done, encoded = cv2.imencodeWithMetadata(suffix, pixels, types, chunks, _QUALITY)
    if not done:
        height, width = pixels.shape[:2]
        hint = "JPEG holds at most 65500 pixels a side, WebP 16383: name a .png or .tif file"
        raise ImageError(f"Cannot write {path}: {width}x{height} pixels do not fit", hint=hint)
    return encoded.tobytes()


def _write_bytes(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ImageError(f"Cannot write {path}: {error.strerror}", "Write elsewhere") from error
