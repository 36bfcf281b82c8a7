"""Reads image files: upright pixels and metadata."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from toolkit.errors import ImageError
from toolkit.image_files import READ, format_name, why_no_image, why_unreadable
from toolkit.images import avif, boxes, heif, jpeg, jxl, jxl_header, png, tiff
from toolkit.images.encoding import Encoding
from toolkit.images.frames import note_on_frames
from toolkit.images.headers import size_of
from toolkit.images.metadata import dpi_of_bmp, exif_density, take_orientation
from toolkit.images.picture import Decoded, Metadata, Picture, Pixels
from toolkit.images.pillow import with_pillow
from toolkit.images.spaces import cmyk_to_rgb
from toolkit.images.tags import parse
from toolkit.images.xmp import upright

if TYPE_CHECKING:
    from PIL.Image import Image

_EXIF_HEAD = b"Exif\0\0"  # JPEG's prefix, which some programs write in other formats, too
_FLAGS = {
    1: cv2.IMREAD_UNCHANGED,
    2: cv2.IMREAD_REDUCED_COLOR_2 | cv2.IMREAD_IGNORE_ORIENTATION,
    4: cv2.IMREAD_REDUCED_COLOR_4 | cv2.IMREAD_IGNORE_ORIENTATION,
    8: cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION,
}
"""OpenCV's flags, by reduction."""
_AGAIN = "Copy or download the file again"
MAX_PIXELS = 500_000_000
_OPENCV_PIXELS = 2**30
"""OpenCV decodes no larger images."""


class _Contents(NamedTuple):
    """What was read from a file."""

    decoded: Decoded
    metadata: Metadata
    orientation: int = 1
    encoding: Encoding = Encoding()


def read_picture(
    path: str | Path,
    *,
    data: bytes | None = None,
    min_side: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """Reads an image file and turns it upright by its orientation.

    CMYK and Lab are converted to sRGB, palettes to the colours that they name; of an animation, the
    first frame is read. Anything that cannot be kept, such as further pages, is noted in the
    picture's `notes` or its metadata's `lost`.

    Args:
        path: The file.
        data: Its content, if it lies elsewhere, as in an archive; `path` then only names it.
        max_pixels: Most pixels that the file may have. Its header is checked before anything is
            decoded, as a small file may claim to be huge.
        min_side: Decodes JPEGs, except in CMYK, at 1/2, 1/4 or 1/8 of their size as long as the
            shorter side keeps this many pixels, which is several times as fast; 0 for full size.

    Raises:
        ImageError: The file is missing, a folder, empty, truncated, not an image, too large, or not
            of integers of 8 to 16 bits per channel.
    """
    path = Path(path)
    data = _read_bytes(path, data)
    _check_size(path, data, max_pixels)
    decoded, metadata, orientation, encoding = _read(path, data, min_side)
    bits = decoded.bits or decoded.colours.dtype.itemsize * 8
    full = 2**bits - 1
    rgb = _tensor(decoded.colours, orientation, full)
    rgb = rgb if len(rgb) == 3 else rgb.repeat(3, 1, 1)
    alpha = None
    if decoded.alpha is not None:
        alpha = _tensor(decoded.alpha[..., None], orientation, full)
        if decoded.multiplied:
            rgb = (rgb / alpha.clamp_min(1 / full)).clamp_(max=1)
    return Picture(
        rgb=rgb,
        alpha=alpha,
        bits=bits,
        grey=torch.equal(rgb[0], rgb[1]) and torch.equal(rgb[1], rgb[2]),
        metadata=metadata,
        path=path,
        notes=decoded.notes + note_on_frames(data),
        encoding=encoding,
    )


def read_rgb(path: str | Path) -> Tensor:
    """Reads the colours of an image file, `[3, h, w]`; see `read_picture`."""
    return read_picture(path).rgb


def _read_bytes(path: Path, data: bytes | None) -> bytes:
    reason, way_out = why_unreadable(path) if data is None else why_no_image(data, path)
    if reason:
        raise ImageError(f"{path} is {reason}", way_out or f"Give a {READ} file")
    data = path.read_bytes() if data is None else data
    # Some decoders fill a missing part with grey, without an error.
    is_jpeg = data.startswith(b"\xff\xd8")
    if (is_jpeg and jpeg.lacks_end(data)) or (data.startswith(b"\x89PNG") and b"IEND" not in data):
        raise ImageError(f"{path} is truncated: its end is missing", _AGAIN)
    return data


def _check_size(path: Path, data: bytes, max_pixels: int) -> None:
    """Raises `ImageError` if the file claims to have no pixels, or too many."""
    width, height = size_of(data) or (1, 1)
    if not width * height:
        raise ImageError(f"{path} is damaged: it has {width}x{height} pixels", _AGAIN)
    if width * height <= min(max_pixels, _OPENCV_PIXELS):
        return
    millions = -(-width * height // 10**6)
    size = f"{path} has {width}x{height} pixels, {millions} megapixels"
    if width * height > _OPENCV_PIXELS:
        raise ImageError(
            f"{size}, more than can be decoded",
            f"Divide or reduce it to at most {_OPENCV_PIXELS // 10**6} megapixels",
        )
    raise ImageError(
        f"{size}, more than the limit of {max_pixels // 10**6}",
        f"If the file is what it claims to be: --max-megapixels {millions}",
    )


def _read(path: Path, data: bytes, min_side: int) -> _Contents:
    if parse(data) is not None:
        return _read_tiff(path, data)
    if jxl_header.is_jxl(data):
        return _read_jxl(path, data, min_side)
    if format_name(data, path) == "HEIC":
        return _read_heif(path, data)
    return _read_other(path, data, min_side)


def _read_heif(path: Path, data: bytes) -> _Contents:
    try:
        decoded, metadata, encoding = heif.read(data)
    except heif.FAULTS as error:
        raise ImageError(f"{path} cannot be decoded: {error}", _AGAIN) from error
    dpi = exif_density(metadata.exif)
    return _Contents(decoded, _usable(replace(metadata, dpi=dpi)), encoding=encoding)


def _read_jxl(path: Path, data: bytes, min_side: int) -> _Contents:
    try:
        unpacked = jxl.read(data)
    except jxl.FAULTS as error:  # whose messages are for those who build the library
        raise ImageError(f"{path} cannot be decoded: it is damaged", _AGAIN) from error
    if unpacked.decoded is None:
        return _read_other(path, unpacked.jpeg, min_side)
    metadata = replace(unpacked.metadata, dpi=exif_density(unpacked.metadata.exif))
    return _Contents(unpacked.decoded, _usable(metadata))


def _read_tiff(path: Path, data: bytes) -> _Contents:
    parsed = parse(data)
    assert parsed is not None
    decoded = tiff.decode(data, parsed) or tiff.decode_otherwise(data, parsed)
    if decoded is None:
        _decode(path, data)  # raises a more specific error if it can
        raise ImageError(f"{path} is a TIFF file of a kind that cannot be read", "Save it as PNG")
    orientation, metadata = tiff.metadata_of(parsed)
    if orientation != 1:
        metadata = replace(metadata, xmp=upright(metadata.xmp))
    return _Contents(decoded, _usable(metadata), orientation)


def _read_other(path: Path, data: bytes, min_side: int) -> _Contents:
    """Reads any format that OpenCV decodes, except TIFF."""
    is_jpeg = data.startswith(b"\xff\xd8")
    reduction = jpeg.reduction(data, min_side) if is_jpeg and min_side else 1
    pixels, from_opencv = _decode(path, data, reduction)
    if is_jpeg and jpeg.cut_short(data, pixels, reduction):
        raise ImageError(f"{path} is truncated: part of the image is missing", _AGAIN)
    metadata = jpeg.metadata_of(data) if is_jpeg else _metadata(data, from_opencv)
    orientation, exif = take_orientation(metadata.exif)
    if from_opencv.exif and not is_jpeg:  # Pillow's is re-encoded without non-ASCII characters
        _, exif = take_orientation(from_opencv.exif)
    xmp = upright(metadata.xmp) if orientation != 1 else metadata.xmp
    dpi = metadata.dpi or exif_density(exif)
    cmyk = is_jpeg and jpeg.channels(data) == 4
    decoded = _read_cmyk(path, data, metadata.icc) if cmyk else _split(pixels, data)
    metadata = _usable(replace(metadata, exif=exif, xmp=xmp, dpi=dpi))
    return _Contents(decoded, metadata, orientation, _encoding(data))


def _encoding(data: bytes) -> Encoding:
    if data.startswith(b"\xff\xd8"):
        return jpeg.encoding_of(data)
    if data[4:8] == b"ftyp":
        return Encoding(None, boxes.codec_facts(data).subsampling)
    return Encoding()


def _metadata(data: bytes, metadata: Metadata) -> Metadata:
    """Completes the metadata that OpenCV read from a file that is neither TIFF nor JPEG."""
    if metadata == Metadata() or data[4:8] == b"ftyp":
        metadata = with_pillow(data, _pillow_metadata) or metadata
    if data.startswith(b"\x89PNG"):
        # OpenCV 5.0 reads past the end of a PNG's packet.
        return replace(metadata, xmp=png.xmp_of(data), dpi=png.dpi_of(data), lost=png.lost(data))
    return replace(metadata, dpi=dpi_of_bmp(data)) if data.startswith(b"BM") else metadata


def _split(pixels: Pixels, data: bytes) -> Decoded:
    """Splits OpenCV's pixels into colours and alpha."""
    bits = 0
    notes: tuple[str, ...] = ()
    if data[4:8] == b"ftyp":
        bits = boxes.codec_facts(data).bits
        notes = ("its HDR curve was not converted",) if boxes.is_hdr(data) else ()
    if pixels.shape[2] == 1:
        is_png = data.startswith(b"\x89PNG")
        alpha = png.grey_alpha(data, pixels[..., 0]) if is_png else None
        return Decoded(pixels, alpha, notes=notes, bits=bits)
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else None
    if alpha is not None and data.startswith(b"GIF") and alpha.min() == 255:
        alpha = None  # OpenCV gives every animation one
    return Decoded(pixels[..., 2::-1], alpha, notes=notes, bits=bits)


def _read_cmyk(path: Path, data: bytes, icc: bytes) -> Decoded:
    """Decodes a CMYK JPEG file; OpenCV would ignore its profile."""
    inks = with_pillow(data, lambda image: np.array(image.convert("CMYK")))
    if inks is None:
        raise ImageError(f"{path} is a CMYK file that cannot be decoded", "Save it as RGB")
    rgb, note = cmyk_to_rgb(inks, icc)
    return Decoded(rgb, notes=(note,))


def _pillow_metadata(image: Image) -> Metadata:
    """Returns Pillow's metadata; OpenCV's are incomplete for AVIF and animated PNG."""
    exif, xmp, icc = (image.info.get(name) or b"" for name in ("exif", "xmp", "icc_profile"))
    return Metadata(exif.removeprefix(_EXIF_HEAD), xmp, icc)


def _usable(metadata: Metadata) -> Metadata:
    """Drops a profile of another colour space: the pixels were converted to RGB."""
    supported = metadata.icc[16:20] in {b"RGB ", b"GRAY"}
    return metadata if supported else replace(metadata, icc=b"")


def _decode(path: Path, data: bytes, reduction: int = 1) -> tuple[Pixels, Metadata]:
    """Returns OpenCV's pixels, `[h, w, c]` in BGR order, and metadata."""
    try:
        buffer = np.frombuffer(data, np.uint8)
        decoded = cv2.imdecodeWithMetadata(buffer, flags=_FLAGS[reduction])
    except cv2.error as error:
        raise ImageError(f"{path} cannot be decoded: {error.err}", _AGAIN) from error
    pixels: Pixels | None = decoded[0]
    if pixels is None and data[4:8] == b"ftyp":
        pixels = avif.decode_by_pillow(data)
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        fault = "damaged or not an image" if pixels is None else f"of {pixels.dtype} values"
        hint = f"Give a {READ} file with 8 or 16 bits per channel"
        raise ImageError(f"{path} is {fault}", hint=hint)
    chunks = {kind: chunk.tobytes() for kind, chunk in zip(decoded[1], decoded[2], strict=True)}
    return pixels.reshape(*pixels.shape[:2], -1), Metadata(
        exif=chunks.get(cv2.IMAGE_METADATA_EXIF, b"").removeprefix(_EXIF_HEAD),
        xmp=chunks.get(cv2.IMAGE_METADATA_XMP, b""),
        icc=chunks.get(cv2.IMAGE_METADATA_ICCP, b""),
    )


def _tensor(pixels: Pixels, orientation: int, full: int) -> Tensor:
    """Turns `[h, w, c]` upright and converts it to `[c, h, w]` in [0, 1]."""
    channels = _turned(pixels, orientation).transpose(2, 0, 1)
    # Some decoders' pixels are read-only, which PyTorch warns of.
    return torch.from_numpy(np.require(channels, requirements=["C", "W"])).float().div_(full)


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """Turns `[h, w, c]` upright, given one of EXIF's eight orientations."""
    if orientation in {5, 6, 7, 8}:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in {3, 4, 7, 8} else pixels
