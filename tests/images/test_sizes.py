"""Sizes in headers and in EXIF, and the thumbnail that no longer fits."""

import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from odd_parts import RAMP, encoded, exif
from PIL import Image

from toolkit.images import Metadata, Picture, jxl_header, read_picture, write_picture
from toolkit.images.boxes import boxes
from toolkit.images.headers import size_of
from toolkit.images.metadata import with_size
from toolkit.images.tags import parse

SIZES = [(1, 1), (7, 300), (256, 8), (48, 32), (16, 9), (1000, 3)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("kind", "settings"),
    [("JPEG", {}), ("PNG", {}), ("WEBP", {}), ("WEBP", {"lossless": True}), ("TIFF", {}),
     ("GIF", {}), ("BMP", {}), ("JPEG2000", {}), ("AVIF", {})],
)  # fmt: skip
def test_sizes_are_read_from_headers(size, kind, settings):
    assert size_of(encoded(Image.new("RGB", size), kind, **settings)) == size


@pytest.mark.parametrize("size", [*SIZES, (64, 64), (8, 256), (4, 3), (2000, 1000), (9000, 1)])
def test_the_header_of_jpeg_xl(size):
    from pillow_jxl import Encoder

    width, height = size
    encoder = Encoder(mode="RGB", lossless=False, quality=80, effort=1)
    header = jxl_header.parse(encoder(bytes(width * height * 3), *size, jpeg_encode=False))
    assert header == (width, height, 8, False, False)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("animated", [False, True])
def test_depth_and_animation_in_the_header_of_jpeg_xl(bits, animated):
    fields = [(1, 1), (3, 5), (0, 3), (3, 5), (0, 1)]  # small, 32 rows, no ratio, 32 columns
    if animated:
        fields += [(1, 1), (0, 3), (0, 1), (0, 1), (1, 1), (0, 2), (0, 2), (1, 2), (5, 3), (0, 1)]
    else:
        fields += [(0, 1)]
    fields += [(0, 1)]
    fields += [({10: 1, 12: 2}.get(bits, 3), 2)] + ([] if bits in {10, 12} else [(bits - 1, 6)])
    value = place = 0
    for content, size in fields:
        value, place = value | content << place, place + size
    data = b"\xff\x0a" + value.to_bytes(40, "little")
    assert jxl_header.parse(data) == (32, 32, bits, False, animated)


def test_cut_headers_are_unknown():
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "JPEG2000", "AVIF", "TIFF"):
        data = encoded(RAMP, kind)
        for length in range(0, 80, 3):
            size = size_of(data[:length])
            assert size is None or len(size) == 2
    assert size_of(b"\xff\x0a\x01") is None
    assert size_of(b"Dear all") is None


def test_boxes_of_every_size():
    large = struct.pack(">I4sQ", 1, b"long", 20) + b"1234"
    data = struct.pack(">I4s", 10, b"free") + b"ab" + large + struct.pack(">I4s", 0, b"rest") + b"c"
    found = [(kind, data[start:end]) for kind, start, end in boxes(data)]
    assert found == [(b"free", b"ab"), (b"long", b"1234"), (b"rest", b"c")]
    assert list(boxes(struct.pack(">I4s", 3, b"less"))) == []


def entry(order, tag, kind, value):
    body = struct.pack(f"{order}{'H' if kind == 3 else 'I'}", value).ljust(4, b"\0")
    return struct.pack(f"{order}HHI", tag, kind, 1) + body


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [3, 4])
def test_sizes_in_exif_follow_in_place(order, kind):
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    first = [(0x0100, kind, 10), (0x0101, kind, 20), (0x0112, 3, 1), (0x8769, 4, 62)]
    inner = [(0x9000, 4, 7), (0xA002, kind, 10), (0xA003, kind, 20)]
    data = head
    for fields in (first, inner):
        data += struct.pack(f"{order}H", len(fields))
        data += b"".join(entry(order, *each) for each in fields) + bytes(4)
    data += b"a camera's own notes"
    sized = with_size(data, 70_000, 300)
    page = parse(sized).directories[0]
    assert [page[tag].numbers() for tag in (0x0100, 0x0101, 0x0112)] == [[70_000], [300], [1]]
    inside = page[0x8769].directory
    assert [inside[tag].numbers() for tag in (0x9000, 0xA002, 0xA003)] == [[7], [70_000], [300]]
    assert len(sized) == len(data)
    assert sized.endswith(b"a camera's own notes")


@pytest.mark.parametrize("after", [b"", b"more"])
def test_the_thumbnail_is_removed(after):
    data = exif(thumbnail=True).removeprefix(b"Exif\0\0") + after
    assert len(parse(data).directories) == 2
    sized = with_size(data, 400, 300)
    assert len(parse(sized).directories) == 1
    assert b"\xff\xd8" not in sized
    assert b"JFIF" not in sized
    assert sized.endswith(after)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif", ".heic", ".jxl"])
def test_results_tell_their_own_size(tmp_path, suffix):
    data = encoded(RAMP, "JPEG", exif=exif(6, thumbnail=True))
    (tmp_path / "a.jpg").write_bytes(data)
    picture = read_picture(tmp_path / "a.jpg")
    metadata = replace(picture.metadata, xmp=b'<x tiff:ImageWidth="48"/>')
    write_picture(Picture(torch.rand(3, 96, 64), metadata=metadata), tmp_path / f"b{suffix}")
    assert read_picture(tmp_path / f"b{suffix}").metadata.xmp == b'<x tiff:ImageWidth="64"/>'
    assert b"\xff\xd8" not in read_picture(tmp_path / f"b{suffix}").metadata.exif
    inside = parse(read_picture(tmp_path / f"b{suffix}").metadata.exif).directories[0][0x8769]
    assert [inside.directory[tag].numbers() for tag in (0xA002, 0xA003)] == [[64], [96]]


def test_damaged_exif_stays_as_it_is():
    whole = exif(6, thumbnail=True).removeprefix(b"Exif\0\0")
    for length in range(0, len(whole), 5):
        with_size(whole[:length], 1, 1)
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(4, 140, 3):
            damaged[place] = rng.integers(256)
        with_size(bytes(damaged), 1, 1)
    assert with_size(b"?", 1, 1) == b"?"
    assert Metadata(exif=with_size(b"", 1, 1)) == Metadata()
