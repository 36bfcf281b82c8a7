"""Files to tensors and back, losing nothing that a photographer would miss.

Pixels are float32 RGB in [0, 1]. Alpha, 16 bits, grey, EXIF, XMP and ICC travel with them.
"""

from __future__ import annotations

import math
import secrets
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from toolkit.errors import ImageError
from toolkit.image_files import IMAGE_SUFFIXES, JPEG_SUFFIXES, READ, why_unreadable

_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_WEBP_QUALITY, 95]
_XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"  # before the packet in JPEG, and only there
_ORIENTATION, _EXTRA_SAMPLES, _ICC = 0x0112, 0x0152, 0x8773
_LUMA = torch.tensor([0.299, 0.587, 0.114])
_STRIP = 256
"""Rows that are made integers at once."""
_SIDES = {"JPEG": 65500, "WebP": 16383}
"""The most pixels that a side may have."""
_TIFF_BYTES = 4 * 10**9

# What OpenCV would print is raised as an ImageError.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@dataclass(frozen=True)
class Metadata:
    """What a file says besides its pixels, as raw bytes; empty where it says nothing."""

    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes = b""


@dataclass(frozen=True, eq=False)
class Picture:
    """One image, upright.

    Attributes:
        rgb: `[3, h, w]`, float32, in [0, 1]; straight, not multiplied by alpha.
        alpha: `[1, h, w]`, float32, in [0, 1], 1 for opaque; None if the file has none.
        bits: 8 or 16 for each channel of the file.
        grey: Whether the three channels are equal everywhere.
        metadata: EXIF (its orientation reset), XMP and ICC.
        path: Where it was read; None for one made in memory.
    """

    rgb: Tensor
    alpha: Tensor | None = None
    bits: int = 8
    grey: bool = False
    metadata: Metadata = Metadata()
    path: Path | None = None


def read_picture(path: str | Path) -> Picture:
    """Reads an image file and turns it upright by its EXIF orientation.

    Raises:
        ImageError: It is missing, a folder, empty, truncated, not an image, or not of 8 or 16 bits.
    """
    path = Path(path)
    data = _read_bytes(path)
    pixels, metadata = _decode(path, data)
    orientation, exif = _take_orientation(metadata.exif)
    full = 255 if pixels.dtype == np.uint8 else 65535
    order = {1: [0, 0, 0], 4: [2, 1, 0, 3]}.get(pixels.shape[2], [2, 1, 0])
    channels = _turned(pixels, orientation).transpose(2, 0, 1)[order]
    tensor = torch.from_numpy(np.ascontiguousarray(channels)).float().div_(full)
    rgb, alpha = tensor[:3], tensor[3:] if len(tensor) == 4 else None
    if alpha is not None and _tiff_is_multiplied(data, full):
        rgb = (rgb / alpha.clamp_min(1 / full)).clamp_(max=1)
    return Picture(
        rgb=rgb,
        alpha=alpha,
        bits=8 if full == 255 else 16,
        grey=torch.equal(rgb[0], rgb[1]) and torch.equal(rgb[1], rgb[2]),
        metadata=replace(metadata, exif=exif),
        path=path,
    )


def read_rgb(path: str | Path) -> Tensor:
    """Reads an image file's colours alone, `[3, h, w]`, as `read_picture` does."""
    return read_picture(path).rgb


def write_picture(picture: Picture, path: str | Path) -> tuple[str, ...]:
    """Writes an image file, in the format of its suffix, whole or not at all.

    Values are clamped to [0, 1] and rounded. PNG and TIFF keep 16 bits; JPEG and WebP have quality
    95. A file that is there already is replaced.

    Returns:
        Notes on what the format cannot hold, such as JPEG's lack of alpha.

    Raises:
        ImageError: The format is unknown or too small for the image, or the place is unwritable.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        hint = f"Name it with one of {' '.join(sorted(IMAGE_SUFFIXES))}"
        raise ImageError(f"Cannot write {path}: the format '{suffix}' is unknown", hint=hint)
    picture, notes = _fit_format(picture, suffix)
    _write_bytes(path, _encode(picture, path, suffix))
    return notes


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


def bicubic_resize(image: Tensor, scale: float | tuple[int, int]) -> Tensor:
    """Resizes by the cubic kernel with a = -0.5, widened when shrinking, as MATLAB's `imresize`.

    At the border, weights outside of the image are dropped and the rest renormalised, where MATLAB
    mirrors the image. Overshoot is not clamped. Kernel: R. Keys, Cubic convolution interpolation
    for digital image processing, 1981.

    Args:
        image: `[b, c, h, w]`, float.
        scale: Factor for both sides (the size is rounded up, as in MATLAB), or the new (h, w).

    Example:
        >>> bicubic_resize(torch.ones(1, 3, 5, 6), 4).shape
        torch.Size([1, 3, 20, 24])
    """
    if not isinstance(scale, tuple):
        height, width = (max(1, math.ceil(side * scale - 1e-9)) for side in image.shape[-2:])
        scale = height, width
    # torch's kernel without antialias has a = -0.75, even for enlarging, where both have one width.
    wide = image.float() if image.dtype in {torch.float16, torch.bfloat16} else image
    resized = nn.functional.interpolate(wide, scale, mode="bicubic", antialias=True)
    return resized.to(image.dtype)


def _read_bytes(path: Path) -> bytes:
    reason, way_out = why_unreadable(path)
    if reason:
        raise ImageError(f"{path} is {reason}", way_out or f"Give a {READ} file")
    data = path.read_bytes()
    # Checked here because some decoders fill the missing part with grey.
    lost = b"IEND" not in data if data.startswith(b"\x89PNG") else _jpeg_lacks_end(data)
    if lost:
        hint = "Copy or download the file again"
        raise ImageError(f"{path} is cut short: its end is missing", hint)
    return data


def _jpeg_lacks_end(data: bytes) -> bool:
    """Whether no end marker follows the scan; thumbnails, which have their own, are skipped."""
    place = 2 if data.startswith(b"\xff\xd8") else len(data)
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] != b"\xda":
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return data.startswith(b"\xff\xd8") and data.find(b"\xff\xd9", place) < 0


def _decode(path: Path, data: bytes) -> tuple[np.ndarray[Any, Any], Metadata]:
    try:
        buffer = np.frombuffer(data, np.uint8)
        decoded = cv2.imdecodeWithMetadata(buffer, flags=cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageError(f"{path} cannot be decoded: {error.err}") from error
    pixels: np.ndarray[Any, Any] | None = decoded[0]
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        fault = "damaged or not an image" if pixels is None else f"of {pixels.dtype} values"
        hint = f"Give a {READ} file with 8 or 16 bits a channel"
        raise ImageError(f"{path} is {fault}", hint=hint)
    found = {kind: chunk.tobytes() for kind, chunk in zip(decoded[1], decoded[2], strict=True)}
    exif = found.get(cv2.IMAGE_METADATA_EXIF, b"")
    xmp = found.get(cv2.IMAGE_METADATA_XMP, b"").removeprefix(_XMP_HEAD)
    xmp = xmp[: xmp.rfind(b">") + 1]  # OpenCV 5.0 reads past the end of a PNG's packet
    icc = found.get(cv2.IMAGE_METADATA_ICCP, b"") or _tiff_icc(data)
    icc = icc if icc[16:20] in {b"RGB ", b"GRAY"} else b""  # pixels of CMYK were converted
    return pixels.reshape(*pixels.shape[:2], -1), Metadata(exif, xmp, icc)


def _fit_format(picture: Picture, suffix: str) -> tuple[Picture, tuple[str, ...]]:
    """What of the picture the format can hold, and notes on the rest."""
    notes = []
    rgb, alpha, bits = picture.rgb, picture.alpha, picture.bits
    if alpha is not None and suffix in JPEG_SUFFIXES:
        rgb, alpha = rgb * alpha + (1 - alpha), None
        notes.append("transparency was laid on white, as JPEG has none")
    if bits == 16 and suffix not in {".png", ".tif", ".tiff"}:
        bits = 8
        notes.append(f"16 bits were reduced to 8, all that {suffix} holds")
    if picture.metadata.icc and suffix == ".bmp":
        notes.append("the colour profile was dropped, as BMP has none")
    return replace(picture, rgb=rgb, alpha=alpha, bits=bits), tuple(notes)


def _pixels(picture: Picture) -> np.ndarray[Any, Any]:
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


def _encode(picture: Picture, path: Path, suffix: str) -> bytes:
    pixels = _pixels(picture)
    height, width, channels = pixels.shape
    exif, xmp, icc = picture.metadata.exif, picture.metadata.xmp, picture.metadata.icc
    if icc[16:20] == b"GRAY" and channels > 1:
        icc = b""
    if xmp and suffix in JPEG_SUFFIXES:
        xmp = _XMP_HEAD + xmp
    kinds = (cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_XMP, cv2.IMAGE_METADATA_ICCP)
    said = [pair for pair in zip(kinds, (exif, xmp, icc), strict=True) if pair[1]]
    chunks = [np.frombuffer(chunk, np.uint8) for _, chunk in said]
    types = [kind for kind, _ in said]
    kind = ".jpg" if suffix in JPEG_SUFFIXES else suffix
    done, encoded = cv2.imencodeWithMetadata(kind, pixels, types, chunks, _QUALITY)
    if not done:
        hint = "JPEG holds at most 65500 pixels a side, WebP 16383: name a .png or .tif file"
        raise ImageError(f"Cannot write {path}: {width}x{height} pixels do not fit", hint=hint)
    data = encoded.tobytes()
    return _with_tiff_icc(data, icc) if icc and suffix in {".tif", ".tiff"} else data


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


def _turned(pixels: np.ndarray[Any, Any], orientation: int) -> np.ndarray[Any, Any]:
    """`[h, w, c]` upright, from one of EXIF's eight orientations."""
    if orientation in {5, 6, 7, 8}:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in {3, 4, 7, 8} else pixels


def _tiff_tags(tiff: bytes) -> tuple[str, dict[int, int]]:
    """Byte order, and where the entry of each tag of the first directory lies; EXIF is TIFF too."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4], "")
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4) if order else (len(tiff),)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        places = range(start + 2, start + 2 + 12 * count, 12)
        return order, {struct.unpack_from(f"{order}H10x", tiff, at)[0]: at for at in places}
    except struct.error:
        return order, {}


def _take_orientation(exif: bytes) -> tuple[int, bytes]:
    """The orientation, and EXIF in which it is 1, so that no viewer turns the image again."""
    order, entries = _tiff_tags(exif)
    if _ORIENTATION not in entries:
        return 1, exif
    place = entries[_ORIENTATION] + 8
    upright = exif[:place] + struct.pack(f"{order}H", 1) + exif[place + 2 :]
    return struct.unpack_from(f"{order}H", exif, place)[0], upright


def _tiff_is_multiplied(tiff: bytes, full: int) -> bool:
    """Whether colours come multiplied by alpha: stored so, or, in 8 bits, made so by libtiff."""
    order, entries = _tiff_tags(tiff)
    place = entries.get(_EXTRA_SAMPLES, len(tiff)) + 8
    kind = int.from_bytes(tiff[place : place + 2], "little" if order == "<" else "big")
    return kind == 1 or (kind == 2 and full == 255)


def _tiff_icc(tiff: bytes) -> bytes:
    order, entries = _tiff_tags(tiff)
    if _ICC not in entries:
        return b""
    size, start = struct.unpack_from(f"{order}II", tiff, entries[_ICC] + 4)
    return tiff[start : start + size]


def _with_tiff_icc(tiff: bytes, icc: bytes) -> bytes:
    """A TIFF file as OpenCV writes it, with a profile and a directory that names it at its end."""
    entries = {tag: tiff[place : place + 12] for tag, place in _tiff_tags(tiff)[1].items()}
    entries[_ICC] = struct.pack("<HHII", _ICC, 7, len(icc), len(tiff))
    directory = struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries))
    body = tiff + icc + b"\0" * ((len(tiff) + len(icc)) % 2)  # a directory starts at an even byte
    return body[:4] + struct.pack("<I", len(body)) + body[8:] + directory + b"\0" * 4
