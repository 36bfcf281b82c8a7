"""JPEG files as cameras and faulty programs write them, and metadata of any size."""

import io
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from toolkit.errors import ImageError
from toolkit.images import Metadata, Picture, jpeg, read_picture, read_rgb, write_picture

Y, X = np.mgrid[:120, :200]
PHOTO = np.stack([X, Y * 2, (X + Y) % 256], 2).astype(np.uint8)


def encoded(pixels=PHOTO, **told):
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=90, **told)
    return data.getvalue()


def profile(size):
    body = np.random.default_rng(0).bytes(size - 132)
    header = bytearray(132)
    header[0:4], header[16:20], header[36:40] = struct.pack(">I", size), b"RGB ", b"acsp"
    return bytes(header) + body


@pytest.mark.parametrize("fill", [1, 3])
def test_fill_bytes_before_markers(tmp_path, fill):
    whole = encoded()
    wanted = (read_pixels(tmp_path, whole) * 255).round()
    for marker in (b"\xff\xdb", b"\xff\xc0", b"\xff\xc4", b"\xff\xda", b"\xff\xd9"):
        at = whole.rindex(marker)
        filled = whole[:at] + b"\xff" * fill + whole[at:]
        assert torch.equal((read_pixels(tmp_path, filled) * 255).round(), wanted)


@pytest.mark.parametrize("share", [0.4, 0.7, 0.9, 0.98])
@pytest.mark.parametrize(
    "told",
    [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 5}],
    ids=["plain", "progressive", "full colour", "restarts"],
)
def test_an_end_does_not_make_a_cut_file_whole(tmp_path, told, share):
    whole = encoded(**told)
    (tmp_path / "a.jpg").write_bytes(whole[: int(len(whole) * share)] + b"\xff\xd9")
    with pytest.raises(ImageError, match=r"a\.jpg is truncated"):
        read_picture(tmp_path / "a.jpg")


@pytest.mark.parametrize("size", [(8, 8), (9, 17), (64, 64)])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("told", [{}, {"progressive": True}, {"restart_marker_blocks": 3}])
def test_whole_files_with_flat_ends_are_read(tmp_path, size, subsampling, told, capfd):
    flat = np.full((*size, 3), (12, 200, 77), np.uint8)
    read_pixels(tmp_path, encoded(flat, subsampling=subsampling, **told))
    read_pixels(tmp_path, encoded(subsampling=subsampling, **told) + b"more, as phones append")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("size", [65000, 70000, 300_000])
@pytest.mark.parametrize("suffix", [".jpg", ".jfif"])
def test_profiles_of_any_size(tmp_path, size, suffix):
    path, icc = tmp_path / f"a{suffix}", profile(size)
    original = Picture(torch.rand(3, 16, 16), metadata=Metadata(icc=icc))
    assert write_picture(original, path) == ()
    assert read_picture(path).metadata.icc == icc
    with Image.open(path) as image:
        assert image.info["icc_profile"] == icc
        assert image.size == (16, 16)


def test_what_is_too_large_is_dropped_and_told(tmp_path):
    metadata = Metadata(
        exif=b"II*\0\x08\0\0\0" + bytes(70000),
        xmp=b"<x>" + b" " * 70000 + b"</x>",
        iptc=b"\x1c" * 70000,
    )
    picture = Picture(torch.rand(3, 16, 16), metadata=metadata)
    notes = write_picture(picture, tmp_path / "a.jpg")
    assert [note.split(" of ")[0] for note in notes] == ["EXIF data", "XMP data", "IPTC data"]
    assert read_picture(tmp_path / "a.jpg").metadata == Metadata()
    notes = write_picture(picture, tmp_path / "a.webp")
    assert notes == ("IPTC data were dropped, as .webp has no place for them",)
    assert read_picture(tmp_path / "a.webp").metadata.xmp == metadata.xmp


def test_what_of_a_jpeg_is_not_kept_is_told(tmp_path):
    whole = encoded(xmp=b'<x xmpNote:HasExtendedXMP="0123"/>')
    further = {
        b"http://ns.adobe.com/xmp/extension/\0": 0xE1,
        b"MPF\0": 0xE2,
    }
    for body, marker in further.items():
        whole = (
            whole[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + whole[2:]
        )
    (tmp_path / "a.jpg").write_bytes(whole)
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.metadata.xmp == b"<x/>"
    notes = write_picture(picture, tmp_path / "b.png")
    assert [word for word in ("gain map", "extended") if word in " ".join(notes)] == [
        "gain map", "extended",
    ]  # fmt: skip
    assert write_picture(read_picture(tmp_path / "b.png"), tmp_path / "c.png") == ()


def test_density(tmp_path):
    for unit, stored, wanted in ((1, (300, 150), (300, 150)), (2, (118, 118), (299.72, 299.72))):
        whole = bytearray(encoded())
        whole[13:18] = struct.pack(">BHH", unit, *stored)
        assert jpeg.metadata_of(bytes(whole)).dpi == pytest.approx(wanted)
    write_picture(Picture(torch.rand(3, 8, 8)), tmp_path / "a.jpg")
    assert read_picture(tmp_path / "a.jpg").metadata.dpi is None


def read_pixels(tmp_path, data):
    (tmp_path / "a.jpg").write_bytes(data)
    return read_rgb(tmp_path / "a.jpg")


LARGE = np.asarray(Image.fromarray(PHOTO).resize((802, 481), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    ("min_side", "size"),
    [(0, (481, 802)), (242, (481, 802)), (241, (241, 401)), (121, (121, 201)), (61, (61, 101)),
     (1, (61, 101))],
)  # fmt: skip
def test_a_jpeg_is_reduced_as_long_as_its_shorter_side_suffices(tmp_path, min_side, size):
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(LARGE))
    reduced = read_picture(path, min_side=min_side).rgb
    assert reduced.shape == (3, *size)
    wanted = torch.nn.functional.interpolate(read_rgb(path)[None], size, mode="area")[0]
    assert (reduced - wanted).abs().mean() < 0.02


@pytest.mark.parametrize("orientation", range(1, 9))
def test_reduced_jpegs_are_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(LARGE, exif=exif))
    full, reduced = read_picture(path), read_picture(path, min_side=100)
    assert reduced.metadata == full.metadata
    size = reduced.rgb.shape[1:]
    assert size == ((201, 121) if orientation > 4 else (121, 201))
    wanted = torch.nn.functional.interpolate(full.rgb[None], size, mode="area")[0]
    assert (reduced.rgb - wanted).abs().mean() < 0.02


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_is_reduced_and_cmyk_is_not(tmp_path, mode):
    path = tmp_path / "a.jpg"
    Image.fromarray(LARGE).convert(mode).save(path, quality=90)
    picture = read_picture(path, min_side=100)
    assert picture.grey == (mode == "L")
    assert picture.rgb.shape[1:] == ((121, 201) if mode == "L" else (481, 802))


@pytest.mark.parametrize("min_side", [200, 100, 50])
@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_cut_jpegs_are_detected_at_reduced_size(tmp_path, min_side, subsampling, progressive):
    path = tmp_path / "a.jpg"
    whole = encoded(LARGE, subsampling=subsampling, progressive=progressive)
    path.write_bytes(whole)
    read_picture(path, min_side=min_side)
    path.write_bytes(whole[: int(len(whole) * 0.97)] + b"\xff\xd9")
    with pytest.raises(ImageError, match="truncated"):
        read_picture(path, min_side=min_side)


def test_other_formats_are_not_reduced(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png", min_side=16).rgb.shape == (3, 120, 200)
