"""Writes image files atomically, and reports what a format cannot store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from toolkit.errors import ImageError
from toolkit.files import writing_atomically
from toolkit.image_files import HEIC_SUFFIXES, JPEG_SUFFIXES, why_unwritable
from toolkit.images import avif, heif, jpeg, jxl, png, tiff, xmp
from toolkit.images import metadata as exif_data
from toolkit.images.encoding import Encoding, Settled, Subsampling, settle
from toolkit.images.metadata import exif_density, with_bmp_dpi, with_density
from toolkit.images.picture import Metadata, Picture, Pixels, in_bgr

_SAMPLING: dict[Subsampling, int] = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}
_LUMA = torch.tensor([0.299, 0.587, 0.114])
_STRIP = 256
"""Rows converted to integers at a time, to save memory."""
_SIDES = {
    **dict.fromkeys(JPEG_SUFFIXES, ("JPEG", 65500)),
    **dict.fromkeys(HEIC_SUFFIXES, ("HEIC", 16384)),
    ".webp": ("WebP", 16383),
    ".avif": ("AVIF", 32768),
}
"""Format, and largest side of an image in pixels."""
_AVIF_PIXELS = 2**28
"""More is refused by decoders."""
_LARGER = "Write a .png or .tif file, which may be larger"
_TIFF_BYTES = 4 * 10**9
_TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
_MOST_BITS = {
    **dict.fromkeys({".png", *_TIFF_SUFFIXES}, 16),
    **dict.fromkeys(HEIC_SUFFIXES, 10),  # more is read by few devices
    ".avif": 12,
}
_WITHOUT_DENSITY = frozenset({".webp", ".avif", ".jxl", *HEIC_SUFFIXES})
"""Formats that can store it in EXIF only."""


def write_picture(
    picture: Picture, path: str | Path, encoding: Encoding = Encoding()
) -> tuple[str, ...]:
    """Writes an image file atomically, in the format of its suffix.

    Values are clamped to [0, 1] and rounded. PNG and TIFF keep 16 bits, AVIF 12, HEIC 10. Sizes in
    EXIF and XMP are set to the picture's, and an embedded thumbnail is removed. An existing file is
    replaced.

    Args:
        picture: The picture.
        path: The file.
        encoding: Quality and subsampling. By default, a JPEG file has the quality of the JPEG file
            that the picture was read from, but at least 75; otherwise it is 95, for HEIC 85.
            Colours are subsampled as in the source; otherwise not at all from a quality of 90 (85
            for HEIC), and in 4:2:0 below.

    Returns:
        Notes on what was lost: metadata when the picture was read, then anything that the format
        cannot store, such as alpha in JPEG.

    Raises:
        ImageError: The format is unknown, its library is not installed, the image is too large for
            it, or the file cannot be written.
        UsageError: The format does not have what `encoding` asks for.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    reason, way_out = why_unwritable(suffix)
    if reason:
        raise ImageError(f"Cannot write {path}: {reason}", hint=way_out)
    settled = settle(encoding, picture.encoding, suffix)
    height, width = picture.rgb.shape[-2:]
    picture, notes = _fit_format(picture, suffix)
    try:
        data, further = _encode(picture, suffix, settled)
    except (cv2.error, OSError, RuntimeError, ValueError) as error:
        reason = why_too_large(suffix, width, height) or f"{width}x{height} pixels do not fit"
        raise ImageError(f"Cannot write {path}: {reason}", _LARGER) from error
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
    kind, most = _SIDES.get(suffix, ("", 0))
    if kind and max(width, height) > most:
        return f"{kind} holds at most {most} pixels per side, not {width}x{height}"
    if suffix == ".avif" and width * height > _AVIF_PIXELS:
        return f"AVIF holds at most {_AVIF_PIXELS // 10**6} megapixels, not {width}x{height} pixels"
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
    most = _MOST_BITS.get(suffix, 8)
    if bits > most:
        notes.append(
            f"{bits} bits were reduced to {most}, the most that is written to {suffix} files"
        )
    bits = most if bits > 8 and (bits > most or most == 16) else bits
    height, width = rgb.shape[-2:]
    metadata = replace(
        metadata,
        exif=exif_data.with_size(metadata.exif, width, height),
        xmp=xmp.with_size(metadata.xmp, width, height),
    )
    if metadata.icc[16:20] == b"GRAY" and (alpha is not None or not picture.grey):
        metadata = replace(metadata, icc=b"")
        notes.append("the grey colour profile was dropped, as it needs grey without transparency")
    if suffix == ".bmp":
        parts = {"colour profile": metadata.icc, "EXIF data": metadata.exif, "XMP": metadata.xmp}
        notes += [
            f"the {name} was dropped, as BMP has none" for name, part in parts.items() if part
        ]
        metadata = replace(metadata, exif=b"", xmp=b"", icc=b"")
    elif suffix in _WITHOUT_DENSITY and metadata.dpi and not exif_density(metadata.exif):
        metadata = replace(metadata, exif=with_density(metadata.exif, metadata.dpi))
    if metadata.iptc and suffix not in JPEG_SUFFIXES | _TIFF_SUFFIXES:
        notes.append(f"IPTC data were dropped, as {suffix} has no place for them")
    fitting = replace(picture, rgb=rgb, alpha=alpha, bits=bits, metadata=metadata)
    return fitting, tuple(notes)


def _is_single(picture: Picture) -> bool:
    """Whether the file can have one channel: an RGB profile is invalid there."""
    return picture.grey and picture.alpha is None and picture.metadata.icc[16:20] != b"RGB "


def _pixels(picture: Picture) -> Pixels:
    """Converts to integers, `[h, w, c]`: RGB or RGBA, or grey if valid."""
    full = 2**picture.bits - 1
    single = _is_single(picture)
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
        parts = [strip[:1] if single else strip]
        if picture.alpha is not None:
            parts.append(picture.alpha[:, rows].detach().cpu().float())
        values[rows] = (torch.cat(parts).clamp(0, 1) * full).round_().permute(1, 2, 0).numpy()
    return values


def _encode(picture: Picture, suffix: str, encoding: Settled) -> tuple[bytes, tuple[str, ...]]:
    """Returns the file's content, and notes on what does not fit."""
    pixels, metadata = _pixels(picture), picture.metadata
    notes: tuple[str, ...] = ()
    if suffix in HEIC_SUFFIXES:
        data = heif.encode(pixels, metadata, encoding, picture.bits)
    elif suffix == ".jxl":
        data, notes = jxl.encode(pixels, metadata, encoding)
    elif suffix == ".avif":
        data, notes = avif.encode(pixels, metadata, encoding, picture.bits)
    elif suffix == ".webp":
        data = _by_opencv(pixels, suffix, metadata, encoding)
    elif suffix == ".png":
        data = _by_opencv(pixels, suffix, replace(metadata, xmp=b""), encoding)
        data = png.with_metadata(data, metadata)
    elif suffix in JPEG_SUFFIXES:
        data = _by_opencv(pixels, ".jpg", Metadata(), encoding)
        data, notes = jpeg.with_metadata(data, metadata)
    else:
        data = _by_opencv(pixels, suffix, Metadata(), encoding)
        if suffix in _TIFF_SUFFIXES:
            data, notes = tiff.with_metadata(data, metadata, alpha=picture.alpha is not None)
        elif metadata.dpi:
            data = with_bmp_dpi(data, metadata.dpi)
    return data, notes


def _by_opencv(pixels: Pixels, suffix: str, metadata: Metadata, encoding: Settled) -> bytes:
    kinds = (cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_XMP, cv2.IMAGE_METADATA_ICCP)
    contents = (metadata.exif, metadata.xmp, metadata.icc)
    present = [(kind, chunk) for kind, chunk in zip(kinds, contents, strict=True) if chunk]
    chunks = [np.frombuffer(chunk, np.uint8) for _, chunk in present]
    types = [kind for kind, _ in present]
    settings = [cv2.IMWRITE_JPEG_QUALITY, encoding.quality]
    settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SAMPLING[encoding.subsampling]]
    settings += [cv2.IMWRITE_WEBP_QUALITY, encoding.quality]
    done, encoded = cv2.imencodeWithMetadata(suffix, in_bgr(pixels), types, chunks, settings)
    if not done:
        raise ValueError("too large")
    return encoded.tobytes()


def _write_bytes(path: Path, data: bytes) -> None:
    try:
        with writing_atomically(path, sync=False) as stream:
            stream.write(data)
    except OSError as error:
        raise ImageError(f"Cannot write {path}: {error.strerror}", "Write elsewhere") from error
