"""IPTC records in JPEG's segments and TIFF's tags, however they are wrapped."""

import struct

import numpy as np
import pytest
import tifffile
import torch
from odd_parts import RAMP, encoded
from PIL import Image, IptcImagePlugin

from toolkit.images import Metadata, Picture, iptc, read_picture, write_picture

RECORDS = b"\x1c\x02\x05\x00\x07A title\x1c\x02\x19\x00\x03sea\x1c\x02\x19\x00\x04sand"


@pytest.mark.parametrize("source", [".jpg", ".tif"])
@pytest.mark.parametrize("target", [".jpg", ".tif"])
def test_records_are_kept(tmp_path, source, target):
    picture = Picture(torch.rand(3, 8, 9), metadata=Metadata(iptc=RECORDS))
    assert write_picture(picture, tmp_path / f"a{source}") == ()
    assert write_picture(read_picture(tmp_path / f"a{source}"), tmp_path / f"b{target}") == ()
    assert read_picture(tmp_path / f"b{target}").metadata.iptc == RECORDS
    with Image.open(tmp_path / f"b{target}") as image:
        seen = IptcImagePlugin.getiptcinfo(image)
    assert seen == {(2, 5): b"A title", (2, 25): [b"sea", b"sand"]}


def test_records_across_segments_and_beside_other_resources(tmp_path):
    resources = b"8BIM\x03\xed\x04name\0\0\0\0\x03abc\0" + iptc.to_resources(RECORDS)
    data = encoded(RAMP, "JPEG")
    for part in (resources[30:], resources[:30]):
        body = b"Photoshop 3.0\0" + part
        data = data[:2] + b"\xff\xed" + struct.pack(">H", len(body) + 2) + body + data[2:]
    (tmp_path / "a.jpg").write_bytes(data)
    assert read_picture(tmp_path / "a.jpg").metadata.iptc == RECORDS


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [1, 4, 7])
def test_every_type_of_tag(tmp_path, order, kind):
    padded = RECORDS.ljust(-(-len(RECORDS) // 4) * 4, b"\0")
    if kind == 4:
        count = len(padded) // 4
        value = struct.unpack(f"{order}{count}I", padded)
    else:
        count, value = len(RECORDS), RECORDS
    tags = [(33723, kind, count, value, True)]
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((4, 4)).astype("u1"), byteorder=order, extratags=tags
    )
    assert read_picture(tmp_path / "a.tif").metadata.iptc == RECORDS


def test_resources_in_a_tag(tmp_path):
    resources = iptc.to_resources(RECORDS)
    tags = [(34377, 7, len(resources), resources, True)]
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint8), extratags=tags)
    assert read_picture(tmp_path / "a.tif").metadata.iptc == RECORDS


def test_damaged_resources():
    whole = b"8BIM\x03\xed\x04name\0\0\0\0\x03abc\0" + iptc.to_resources(RECORDS)
    for length in range(len(whole)):
        assert RECORDS.startswith(iptc.from_resources(whole[:length]))
    assert iptc.from_tag(b"?") == iptc.from_tag(b"") == b""
    assert iptc.to_resources(b"") == b""
