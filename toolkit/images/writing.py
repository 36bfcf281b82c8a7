"""Writes image files atomically, and reports what a format cannot store."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import cv2
import numpy as np
import torch
from torch import Tensor

from toolkit.errors import ImageError
from toolkit.files import writing_atomically
from toolkit.image_files import HEIC_SUFFIXES, JPEG_SUFFIXES, TIFF_SUFFIXES, why_unwritable
from toolkit.images.encoders import encode_file
from toolkit.images.encoding import Encoding, Settled, settle
from toolkit.images.fitting import Fitted, fit_format
from toolkit.images.picture import Picture, Pixels
from toolkit.images.resizing import bicubic_rows
from toolkit.images.streaming import streams, write_streamed

_LUMA = torch.tensor([0.299, 0.587, 0.114])
_STRIP = 256
"""Rows converted to integers at a time, to save memory."""
_USUAL = Encoding()
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


def write_picture(
    picture: Picture, path: str | Path, encoding: Encoding = _USUAL
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
    height, width = picture.rgb.shape[-2:]
    strips = (picture.rgb[:, top : top + _STRIP] for top in range(0, height, _STRIP))
    return write_strips(strips, (height, width), picture, path, encoding)


def write_strips(
    strips: Iterable[Tensor],
    size: tuple[int, int],
    picture: Picture,
    path: str | Path,
    encoding: Encoding = _USUAL,
) -> tuple[str, ...]:
    """Writes an image whose rows come one strip after another; see `write_picture`.

    PNG, TIFF and JPEG files of `STREAMED` pixels or more are written as the strips come. The pixels
    of others are held in memory, with 8 or 16 bits per channel.

    Args:
        strips: `[3, rows, W]`, in [0, 1], from top to bottom.
        size: H and W.
        picture: Everything else: alpha, which is resized to `size`, bits, metadata, and whether it
            is grey.
        path: The file.
        encoding: Quality and subsampling.

    Returns:
        See `write_picture`, which also tells what is raised.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    reason, way_out = why_unwritable(suffix)
    if reason:
        raise ImageError(f"Cannot write {path}: {reason}", hint=way_out)
    settled = settle(encoding, picture.encoding, suffix)
    height, width = size
    fitted = fit_format(picture, size, suffix)
    parts = _integers(_guarded(strips), size, picture, fitted)
    try:
        with writing_atomically(path, sync=False) as stream:
            write = _write_streamed if streams(suffix, height * width) else _write_whole
            further = write(stream, parts, size, fitted, suffix, settled)
    except _StripsError as error:
        raise error.cause from None
    except (cv2.error, struct.error, RuntimeError, ValueError) as error:
        reason = why_too_large(suffix, width, height) or f"{width}x{height} pixels do not fit"
        raise ImageError(f"Cannot write {path}: {reason}", _LARGER) from error
    except OSError as error:
        raise ImageError(
            f"Cannot write {path}: {error.strerror or error}", "Write elsewhere"
        ) from error
    return picture.metadata.lost + fitted.notes + further


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
    if suffix in TIFF_SUFFIXES and width * height * bytes_a_pixel > _TIFF_BYTES:
        return f"TIFF holds at most 4 GB, and {width}x{height} pixels may need more"
    return ""


class _StripsError(Exception):
    """An error of those who make the strips, not of writing them."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


def _guarded(strips: Iterable[Tensor]) -> Iterator[Tensor]:
    try:
        yield from strips
    except Exception as error:
        raise _StripsError(error) from error


def _integers(
    strips: Iterable[Tensor], size: tuple[int, int], picture: Picture, fitted: Fitted
) -> Iterator[Pixels]:
    """Converts strips to integers, `[rows, W, c]`: RGB or RGBA, or grey if valid."""
    full = 2**fitted.bits - 1
    kind = np.uint8 if full == 255 else np.uint16
    top = 0
    for strip in strips:
        rgb, end = strip.detach().cpu().float(), top + strip.shape[1]
        if picture.grey:
            rgb = (rgb * _LUMA[:, None, None]).sum(0, keepdim=True).expand(3, -1, -1)
        parts = [rgb[:1] if fitted.single else rgb]
        if picture.alpha is not None:
            whole = picture.alpha[None].detach().cpu().float()
            alpha = bicubic_rows(whole, size, top, end)[0].clamp(0, 1)
            parts = [*parts, alpha] if fitted.alpha else [parts[0] * alpha + (1 - alpha)]
        top = end
        values = (torch.cat(parts).clamp(0, 1) * full).round_().permute(1, 2, 0)
        yield values.numpy().astype(kind)


def _write_whole(
    stream: IO[bytes],
    parts: Iterator[Pixels],
    size: tuple[int, int],
    fitted: Fitted,
    suffix: str,
    encoding: Settled,
) -> tuple[str, ...]:
    """Writes a file whose pixels are encoded at once; returns notes on what does not fit."""
    pixels, top = np.empty((0, 0, 0)), 0
    for part in parts:
        if not top:
            pixels = np.empty((*size, part.shape[2]), part.dtype)
        pixels[top : top + len(part)] = part
        top += len(part)
    data, notes = encode_file(pixels, fitted, suffix, encoding)
    stream.write(data)
    return notes


def _write_streamed(
    stream: IO[bytes],
    parts: Iterator[Pixels],
    size: tuple[int, int],
    fitted: Fitted,
    suffix: str,
    encoding: Settled,
) -> tuple[str, ...]:
    """Writes a file strip by strip; returns notes on what does not fit."""
    notes: dict[str, None] = {}

    def encode(rows: Pixels) -> bytes:
        data, further = encode_file(rows, fitted, suffix, encoding, restart=True)
        notes.update(dict.fromkeys(further))
        return data

    write_streamed(stream, suffix, parts, size[0], encode)
    return tuple(notes)
