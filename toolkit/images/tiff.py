"""TIFF: samples of any layout, and metadata in TIFF's own tags.

OpenCV silently misreads layouts that it does not support. Here it only decompresses: it is given
pages of a single grey channel, and the tags decide what the samples mean.
"""

from __future__ import annotations

import cv2
import numpy as np

from toolkit.images import iptc
from toolkit.images.metadata import (
    ORIENTATION,
    density_fields,
    density_of,
    describing,
    number,
    orientation_of,
)
from toolkit.images.picture import Decoded, Metadata, Pixels
from toolkit.images.pillow import with_pillow
from toolkit.images.spaces import cmyk_to_rgb, lab_to_rgb
from toolkit.images.tags import (
    BYTE,
    SHORT,
    UNDEFINED,
    Directory,
    Field,
    Tiff,
    exif_bytes,
    field,
    parse,
    with_directory,
)

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_OFFSETS, _SAMPLES, _ROWS, _SIZES, _PLANAR, _PREDICTOR = 273, 277, 278, 279, 284, 317
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_SIZES = 322, 323, 324, 325
_EXTRA, _FORMAT, _XMP, _ICC = 338, 339, 700, 34675
_IPTC, _RESOURCES = 33723, 34377
_LAYOUT = (
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, 266, _OFFSETS, _ROWS, _SIZES}
    | {_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_SIZES, _PREDICTOR}
)  # fmt: skip
_MULTIPLIED, _STRAIGHT = 1, 2
"""Kinds of alpha among the extra samples."""
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _INKS, _LAB, _ICC_LAB = 0, 1, 2, 5, 8, 9
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _INKS: 4, _LAB: 3, _ICC_LAB: 3}
"""Number of colour samples per pixel."""
_LOSSLESS = {1, 5, 8, 32773, 32946, 34925, 50000}
"""Lossless compression: none, LZW, Deflate, PackBits, Deflate (old number), LZMA and ZSTD."""


def pages(tiff: Tiff) -> int:
    """Returns the number of pages, without reduced copies such as thumbnails."""
    reduced = sum(int(number(page, _SUBFILE, 0)) & 1 for page in tiff.directories[1:])
    return len(tiff.directories) - reduced


def metadata_of(tiff: Tiff) -> tuple[int, Metadata]:
    """Returns orientation and metadata of the first page; EXIF's orientation is set to 1."""
    page = tiff.directories[0]
    exif = describing(page)
    if ORIENTATION in exif:
        exif[ORIENTATION] = field(SHORT, 1)
    xmp, icc, records, resources = (
        page[tag].data if tag in page else b"" for tag in (_XMP, _ICC, _IPTC, _RESOURCES)
    )
    records = iptc.from_tag(records) or iptc.from_resources(resources)
    dpi = density_of(page)
    return orientation_of(page), Metadata(exif_bytes(exif), xmp, icc, dpi, iptc=records)


def decode(data: bytes, tiff: Tiff) -> Decoded | None:
    """Decodes the first page; None for layouts that `decode_otherwise` handles."""
    page = tiff.directories[0]
    photometric = int(number(page, _PHOTOMETRIC, -1))
    count, colours = int(number(page, _SAMPLES, 1)), _COLOURS.get(photometric, 0)
    lossless = int(number(page, _COMPRESSION, 1)) in _LOSSLESS
    plain = set(page[_FORMAT].numbers() if _FORMAT in page else [1]) == {1}
    bits = set(page[_BITS].numbers() if _BITS in page else [1])
    if not (colours and count >= colours and lossless and plain and bits in ({8}, {16})):
        return None
    samples = _samples(data, tiff, count)
    if samples is None:
        return None
    rgb, notes = _as_rgb(samples[..., :colours], photometric, page)
    alpha_index, kind = _alpha(page, count, colours)
    alpha = None
    if alpha_index is not None:
        alpha = samples[..., alpha_index]
        if alpha.dtype != rgb.dtype:
            alpha = (alpha // 257).astype(np.uint8)
    if count - colours > (alpha is not None):
        notes += ("channels besides colour and transparency were left out",)
    return Decoded(rgb, alpha, kind == _MULTIPLIED, notes)


def decode_otherwise(data: bytes, tiff: Tiff) -> Decoded | None:
    """Decodes the first page by OpenCV's own reading of its layout; None if that fails."""
    page = tiff.directories[0]
    bare = {tag: entry for tag, entry in page.items() if tag != ORIENTATION and not entry.directory}
    pixels = _decompressed(with_directory(data, tiff.form, bare))
    if pixels is None or pixels.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)}:
        return None
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    photometric, count = (int(number(page, tag, 1)) for tag in (_PHOTOMETRIC, _SAMPLES))
    alpha_index, kind = _alpha(page, count, _COLOURS.get(photometric, 3))
    rgb = pixels[..., 2::-1] if pixels.shape[2] > 1 else pixels
    if photometric == _INKS:
        return Decoded(rgb, notes=("CMYK was converted to RGB without a profile",))
    if alpha_index is None:
        return Decoded(rgb)
    if pixels.shape[2] < 4:
        return Decoded(rgb, notes=("transparency was left out, as it is stored unusually",))
    # libtiff premultiplies 8-bit colours.
    by_libtiff = kind == _STRAIGHT and _EXTRA in page and pixels.dtype == np.uint8
    return Decoded(rgb, pixels[..., 3], kind == _MULTIPLIED or by_libtiff)


def with_metadata(data: bytes, metadata: Metadata, alpha: bool) -> tuple[bytes, tuple[str, ...]]:
    """Adds metadata and the kind of alpha to a TIFF file that OpenCV wrote; also returns notes."""
    tiff, exif = parse(data), parse(metadata.exif)
    if tiff is None:
        return data, ()
    described = describing(exif.directories[0]) if exif else {}
    added: dict[int, Field] = {}
    if alpha:
        added[_EXTRA] = field(SHORT, _STRAIGHT)
    if metadata.xmp:
        added[_XMP] = Field(BYTE, metadata.xmp)
    if metadata.icc:
        added[_ICC] = Field(UNDEFINED, metadata.icc)
    if metadata.iptc:
        added[_IPTC] = Field(UNDEFINED, metadata.iptc)
    if metadata.dpi:
        described |= density_fields(metadata.dpi)
    notes = ("EXIF data were dropped, as they are damaged",) if metadata.exif and not exif else ()
    directory = {**described, **tiff.directories[0], **added}
    return with_directory(data, tiff.form, directory), notes


def _as_rgb(colours: Pixels, photometric: int, page: Directory) -> tuple[Pixels, tuple[str, ...]]:
    """Converts colour samples to grey or RGB; also returns notes."""
    if photometric == _WHITE_IS_ZERO:
        return np.iinfo(colours.dtype).max - colours, ()
    if photometric == _INKS:
        icc = page[_ICC].data if _ICC in page else b""
        inks = colours if colours.dtype == np.uint8 else (colours // 257).astype(np.uint8)
        rgb, note = cmyk_to_rgb(inks, icc)
        return rgb, (note,) if inks is colours else (note, "16 bits of CMYK were reduced to 8")
    if photometric in {_LAB, _ICC_LAB}:
        return lab_to_rgb(colours, photometric == _ICC_LAB), ("Lab was converted to sRGB",)
    return colours, ()


def _alpha(page: Directory, count: int, colours: int) -> tuple[int | None, int]:
    """Returns the index of the alpha sample and its kind.

    A single extra sample that the tags do not describe is taken for alpha.
    """
    if _EXTRA in page:
        for index, kind in enumerate(page[_EXTRA].numbers(), start=colours):
            if kind in {_MULTIPLIED, _STRAIGHT} and index < count:
                return index, int(kind)
    elif count == colours + 1:
        return colours, _STRAIGHT
    return None, 0


def _samples(data: bytes, tiff: Tiff, count: int) -> Pixels | None:
    """Returns all samples of the first page unconverted, `[h, w, count]`."""
    page = tiff.directories[0]
    width, height = (int(number(page, tag, 0)) for tag in (_WIDTH, _HEIGHT))
    bits = int(number(page, _BITS, 8))
    same = {_SAMPLES: field(SHORT, 1), _PHOTOMETRIC: field(SHORT, 1), _BITS: field(SHORT, bits)}
    layout = {tag: entry for tag, entry in page.items() if tag in _LAYOUT} | same
    if count == 1 or int(number(page, _PLANAR, 1)) == 2:
        planes = [
            _grey(data, tiff, {**layout, **_plane(page, index, count)}, (height, width))
            for index in range(count)
        ]
        decoded = [plane for plane in planes if plane is not None]
        return np.stack(decoded, axis=2) if len(decoded) == count else None
    for tag in {_WIDTH, _TILE_WIDTH} & layout.keys():
        layout[tag] = field(4, int(number(page, tag, 0)) * count)
    predictor = int(number(page, _PREDICTOR, 1))
    layout[_PREDICTOR] = field(SHORT, 1)
    flat = _grey(data, tiff, layout, (height, width * count))
    if flat is None or predictor not in {1, 2}:
        return None
    samples = flat.reshape(height, width, count)
    if predictor == 2:  # samples are differences to their left neighbours
        step = int(number(page, _TILE_WIDTH, width)) or width
        for left in range(0, width, step):
            tile = samples[:, left : left + step]
            np.cumsum(tile, axis=1, dtype=tile.dtype, out=tile)
    return samples


def _plane(page: Directory, index: int, count: int) -> dict[int, Field]:
    """Returns the fields for the strips or tiles of one of several planes."""
    fields = {}
    for tag in (_OFFSETS, _SIZES, _TILE_OFFSETS, _TILE_SIZES):
        if tag in page:
            data = page[tag].data
            size = len(data) // count
            fields[tag] = page[tag]._replace(data=data[index * size : (index + 1) * size])
    return fields


def _grey(data: bytes, tiff: Tiff, directory: Directory, shape: tuple[int, int]) -> Pixels | None:
    """Decompresses a page of one sample per pixel, `[h, w]`."""
    file = with_directory(data, tiff.form, directory)
    pixels = _decompressed(file)
    if pixels is None:
        pixels = _decompressed_by_pillow(file)
    return pixels if pixels is not None and pixels.shape == shape else None


def _decompressed(data: bytes) -> Pixels | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None


def _decompressed_by_pillow(data: bytes) -> Pixels | None:
    """Like `_decompressed`; Pillow's libtiff also supports ZSTD and LZMA."""
    pixels = with_pillow(data, np.array)
    if pixels is None or pixels.dtype.kind != "u":
        return None
    return pixels.astype(pixels.dtype.newbyteorder("="))
