"""TIFF: samples of any layout read as they are, and metadata in its own tags.

OpenCV's reader guesses at layouts that it does not know, without a word. Here it only decompresses:
each page is shown to it as grey, and what the samples mean is decided by the tags.
"""

from __future__ import annotations

import cv2
import numpy as np

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
_IPTC = 33723
_LAYOUT = (
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, 266, _OFFSETS, _ROWS, _SIZES}
    | {_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_SIZES, _PREDICTOR}
)  # fmt: skip
_MULTIPLIED, _STRAIGHT = 1, 2
"""Kinds of alpha among the extra samples."""
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _INKS, _LAB, _ICC_LAB = 0, 1, 2, 5, 8, 9
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _INKS: 4, _LAB: 3, _ICC_LAB: 3}
"""How many samples of a pixel are its colour."""
_LOSSLESS = {1, 5, 8, 32773, 32946, 34925, 50000}
"""Nothing, LZW, Deflate, PackBits, Deflate once more, LZMA and ZSTD: samples stay what they are."""


def pages(tiff: Tiff) -> int:
    """How many there are; smaller copies of others do not count."""
    reduced = sum(int(number(each, _SUBFILE, 0)) & 1 for each in tiff.directories[1:])
    return len(tiff.directories) - reduced


def metadata_of(tiff: Tiff) -> tuple[int, Metadata]:
    """The orientation, and what the tags of the first page say; EXIF's orientation is 1."""
    page = tiff.directories[0]
    told = describing(page)
    if ORIENTATION in told:
        told[ORIENTATION] = field(SHORT, 1)
    lost = ("IPTC data were dropped",) if _IPTC in page else ()
    xmp, icc = (page[tag].data if tag in page else b"" for tag in (_XMP, _ICC))
    return orientation_of(page), Metadata(exif_bytes(told), xmp, icc, density_of(page), lost)


def decode(data: bytes, tiff: Tiff) -> Decoded | None:
    """Pixels of the first page, not turned; None where their layout is left to OpenCV."""
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
    found, notes = _as_rgb(samples[..., :colours], photometric, page)
    place, kind = _alpha(page, count, colours)
    alpha = None
    if place is not None:
        alpha = samples[..., place]
        if alpha.dtype != found.dtype:
            alpha = (alpha // 257).astype(np.uint8)
    if count - colours > (alpha is not None):
        notes += ("channels besides colour and transparency were left out",)
    return Decoded(found, alpha, kind == _MULTIPLIED, notes)


def decode_otherwise(data: bytes, tiff: Tiff) -> Decoded | None:
    """Pixels of the first page as OpenCV understands them, not turned; None where it does not."""
    page = tiff.directories[0]
    bare = {tag: each for tag, each in page.items() if tag != ORIENTATION and not each.below}
    pixels = _decompressed(with_directory(data, tiff.form, bare))
    if pixels is None or pixels.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)}:
        return None
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    photometric, count = (int(number(page, tag, 1)) for tag in (_PHOTOMETRIC, _SAMPLES))
    place, kind = _alpha(page, count, _COLOURS.get(photometric, 3))
    rgb = pixels[..., 2::-1] if pixels.shape[2] > 1 else pixels
    if photometric == _INKS:
        return Decoded(rgb, notes=("CMYK was converted to RGB without a profile",))
    if place is None:
        return Decoded(rgb)
    if pixels.shape[2] < 4:
        return Decoded(rgb, notes=("transparency was left out, as it is stored unusually",))
    made_so = kind == _STRAIGHT and _EXTRA in page and pixels.dtype == np.uint8  # by libtiff
    return Decoded(rgb, pixels[..., 3], kind == _MULTIPLIED or made_so)


def with_metadata(data: bytes, metadata: Metadata, alpha: bool) -> tuple[bytes, tuple[str, ...]]:
    """A TIFF file as OpenCV writes it, with metadata and the kind of its alpha."""
    tiff, exif = parse(data), parse(metadata.exif)
    if tiff is None:
        return data, ()
    told = describing(exif.directories[0]) if exif else {}
    added: dict[int, Field] = {}
    if alpha:
        added[_EXTRA] = field(SHORT, _STRAIGHT)
    if metadata.xmp:
        added[_XMP] = Field(BYTE, metadata.xmp)
    if metadata.icc:
        added[_ICC] = Field(UNDEFINED, metadata.icc)
    if metadata.dpi:
        told |= density_fields(metadata.dpi)
    notes = ("EXIF data were dropped, as they are damaged",) if metadata.exif and not exif else ()
    directory = {**told, **tiff.directories[0], **added}
    return with_directory(data, tiff.form, directory), notes


def _as_rgb(colours: Pixels, photometric: int, page: Directory) -> tuple[Pixels, tuple[str, ...]]:
    """Grey or RGB of colour samples, and notes."""
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
    """Which sample is alpha, and its kind; without any word of it, a single further one is."""
    if _EXTRA in page:
        for place, kind in enumerate(page[_EXTRA].numbers(), start=colours):
            if kind in {_MULTIPLIED, _STRAIGHT} and place < count:
                return place, int(kind)
    elif count == colours + 1:
        return colours, _STRAIGHT
    return None, 0


def _samples(data: bytes, tiff: Tiff, count: int) -> Pixels | None:
    """All samples of a page, `[h, w, count]`, as they are."""
    page = tiff.directories[0]
    width, height = (int(number(page, tag, 0)) for tag in (_WIDTH, _HEIGHT))
    bits = int(number(page, _BITS, 8))
    same = {_SAMPLES: field(SHORT, 1), _PHOTOMETRIC: field(SHORT, 1), _BITS: field(SHORT, bits)}
    layout = {tag: each for tag, each in page.items() if tag in _LAYOUT} | same
    if count == 1 or int(number(page, _PLANAR, 1)) == 2:
        planes = [
            _grey(data, tiff, {**layout, **_plane(page, place, count)}, (height, width))
            for place in range(count)
        ]
        whole = [each for each in planes if each is not None]
        return np.stack(whole, axis=2) if len(whole) == count else None
    for tag in {_WIDTH, _TILE_WIDTH} & layout.keys():
        layout[tag] = field(4, int(number(page, tag, 0)) * count)
    predictor = int(number(page, _PREDICTOR, 1))
    layout[_PREDICTOR] = field(SHORT, 1)
    flat = _grey(data, tiff, layout, (height, width * count))
    if flat is None or predictor not in {1, 2}:
        return None
    samples = flat.reshape(height, width, count)
    if predictor == 2:  # each is the difference to its neighbour on the left
        step = int(number(page, _TILE_WIDTH, width)) or width
        for left in range(0, width, step):
            tile = samples[:, left : left + step]
            np.cumsum(tile, axis=1, dtype=tile.dtype, out=tile)
    return samples


def _plane(page: Directory, place: int, count: int) -> dict[int, Field]:
    """The strips or tiles of one of several planes."""
    found = {}
    for tag in (_OFFSETS, _SIZES, _TILE_OFFSETS, _TILE_SIZES):
        if tag in page:
            each = page[tag]
            size = len(each.data) // count
            found[tag] = each._replace(data=each.data[place * size : (place + 1) * size])
    return found


def _grey(data: bytes, tiff: Tiff, directory: Directory, shape: tuple[int, int]) -> Pixels | None:
    """A page with a single sample a pixel, `[h, w]`, decompressed."""
    shown = with_directory(data, tiff.form, directory)
    pixels = _decompressed(shown)
    if pixels is None:
        pixels = _decompressed_by_pillow(shown)
    return pixels if pixels is not None and pixels.shape == shape else None


def _decompressed(data: bytes) -> Pixels | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None


def _decompressed_by_pillow(data: bytes) -> Pixels | None:
    """As `_decompressed`; Pillow's libtiff knows ZSTD and LZMA too."""
    pixels = with_pillow(data, np.array)
    if pixels is None or pixels.dtype.kind != "u":
        return None
    return pixels.astype(pixels.dtype.newbyteorder("="))
