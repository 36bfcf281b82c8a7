"""AVIF, HEIC and JPEG XL where they differ from other formats."""

import sys

import numpy as np
import pytest
import torch
from odd_files import odd_files
from odd_parts import RAMP, encoded, exif, icc_profile

from toolkit.images import Metadata, Picture, read_picture, write_picture

LEVELS = torch.arange(4096).float().reshape(1, 64, 64).expand(3, -1, -1) / 4095


@pytest.mark.parametrize(
    ("suffix", "bits", "written"),
    [(".avif", 10, 10), (".avif", 12, 12), (".avif", 16, 12), (".heic", 10, 10), (".heic", 16, 10),
     (".jxl", 10, 8), (".png", 10, 16), (".tif", 12, 16), (".webp", 12, 8)],
)  # fmt: skip
@pytest.mark.parametrize("alpha", [False, True])
def test_depth(tmp_path, suffix, bits, written, alpha):
    """Levels that 8 bits do not tell apart, and white, which must stay white."""
    original = Picture(LEVELS, LEVELS[:1] if alpha else None, bits=bits)
    notes = " ".join(write_picture(original, tmp_path / f"a{suffix}"))
    again = read_picture(tmp_path / f"a{suffix}")
    assert again.bits == written
    assert (f"{bits} bits were reduced to {written}" in notes) == (written < bits)
    assert again.rgb.max() > 0.996
    assert (again.rgb - LEVELS).abs().mean() < (0.003 if written > 8 else 0.01)
    if alpha:
        assert (again.alpha - LEVELS[:1]).abs().max() < 0.01
    assert len(again.rgb.unique()) > (256 if written > 8 else 100)


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
def test_an_hdr_curve_is_told_of(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_picture(Picture(torch.rand(3, 32, 32)), path)
    data = bytearray(path.read_bytes())
    assert read_picture(path).notes == ()
    at = data.index(b"nclx")
    data[at + 6 : at + 8] = (16).to_bytes(2, "big")  # PQ
    path.write_bytes(data)
    assert read_picture(path).notes == ("its HDR curve was not converted",)


def test_packed_metadata_without_the_library_for_it(tmp_path, monkeypatch):
    packed = next(file for file in odd_files(tmp_path) if file.path.name == "packed.jxl")
    assert read_picture(packed.path).metadata.exif
    monkeypatch.setitem(sys.modules, "brotli", None)
    metadata = read_picture(packed.path).metadata
    assert (metadata.exif, metadata.xmp) == (b"", b"")
    assert [note.split()[0] for note in metadata.lost] == ["EXIF", "XMP"]
    assert all("pip install brotli" in note for note in metadata.lost)


def test_jpeg_xl_is_written_as_srgb(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(RAMP, "PNG", icc_profile=icc_profile()))
    picture = read_picture(tmp_path / "a.png")
    assert "converted to sRGB" in write_picture(picture, tmp_path / "b.jxl")[0]
    seen = read_picture(tmp_path / "b.jxl")
    assert seen.metadata.icc == b""
    assert np.abs(seen.rgb.permute(1, 2, 0).numpy() * 255 - RAMP[..., ::-1]).mean() < 4
    damaged = Picture(picture.rgb, metadata=Metadata(icc=bytes(16) + b"RGB " + bytes(200)))
    assert "damaged" in write_picture(damaged, tmp_path / "c.jxl")[0]


@pytest.mark.parametrize("suffix", [".heic", ".jxl"])
def test_the_orientation_in_xmp_is_reset(tmp_path, suffix):
    metadata = Metadata(xmp=b'<x tiff:Orientation="6"/>')
    write_picture(Picture(torch.rand(3, 32, 40), metadata=metadata), tmp_path / f"a{suffix}")
    again = read_picture(tmp_path / f"a{suffix}")
    assert again.metadata.xmp == b'<x tiff:Orientation="1"/>'


def test_exif_in_jpeg_xl_starts_with_its_offset(tmp_path):
    metadata = Metadata(exif=exif().removeprefix(b"Exif\0\0"))
    write_picture(Picture(torch.rand(3, 32, 40), metadata=metadata), tmp_path / "a.jxl")
    assert b"Exif\0\0\0\0MM\0*" in (tmp_path / "a.jxl").read_bytes()
