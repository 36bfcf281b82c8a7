"""Files to tensors and back, and places that cannot be written."""

import doctest
import struct
import zlib

import cv2
import numpy as np
import pytest
import torch

from toolkit.errors import ImageError
from toolkit.image_files import find_images
from toolkit.images import (
    Metadata,
    Picture,
    bicubic_resize,
    read_picture,
    read_rgb,
    resizing,
    write_picture,
)
from toolkit.images.metadata import take_orientation
from toolkit.images.reading import _turned

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a/></x:xmpmeta>'


def picture(height=12, width=17, seed=0, **fields):
    rgb = torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))
    return Picture(rgb=rgb, **fields)


def exif(orientation, order="<"):
    head = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return head + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)


def icc(space=b"RGB "):
    """The least profile that libpng accepts: a header and one tag."""
    header = bytearray(128)
    header[0:4], header[8:12] = struct.pack(">I", 400), bytes([2, 0x10, 0, 0])
    header[12:16], header[16:20], header[20:24] = b"mntr", space, b"XYZ "
    header[36:40] = b"acsp"
    header[68:80] = struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)
    text = bytes(97 + value * value % 23 for value in range(247))
    return (
        bytes(header) + struct.pack(">I4sII", 1, b"cprt", 144, 256) + b"text\0\0\0\0" + text + b"\0"
    )


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, *extra):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def corners(rgb):
    """Which of four marked corners lies where: top left, top right, bottom left, bottom right."""
    h, w = rgb.shape[-2:]
    ends = [rgb[:, y, x] for y in (2, h - 3) for x in (2, w - 3)]
    names = {(1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b", (1, 1, 1): "w"}
    return "".join(names[tuple(end.round().int().tolist())] for end in ends)


def marked():
    """16x24, its corners red, green, blue and white."""
    rgb = torch.zeros(3, 16, 24)
    rgb[0, :8, :12] = rgb[1, :8, 12:] = rgb[2, 8:, :12] = 1
    rgb[:, 8:, 12:] = 1
    return rgb


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".bmp"])
@pytest.mark.parametrize("alpha", [False, True])
def test_lossless_formats_keep_every_pixel(tmp_path, suffix, alpha):
    level = torch.arange(256).float().reshape(1, 16, 16) / 255
    original = Picture(
        rgb=torch.cat([level, level.flip(1), level.flip(2)]), alpha=level if alpha else None
    )
    assert write_picture(original, tmp_path / f"a{suffix}") == ()
    again = read_picture(tmp_path / f"a{suffix}")
    assert torch.equal(again.rgb, original.rgb)
    assert (again.alpha is not None) == alpha
    if alpha:
        assert torch.equal(again.alpha, original.alpha)
    assert (again.bits, again.grey) == (8, False)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("grey", [False, True])
def test_sixteen_bits_survive(tmp_path, suffix, grey):
    levels = torch.arange(65536).float().reshape(1, 256, 256) / 65535
    rgb = levels.repeat(3, 1, 1) if grey else torch.cat([levels, levels.flip(1), levels.flip(2)])
    write_picture(Picture(rgb=rgb, bits=16, grey=grey), tmp_path / f"a{suffix}")
    again = read_picture(tmp_path / f"a{suffix}")
    assert (again.bits, again.grey) == (16, grey)
    assert torch.equal((again.rgb * 65535).round(), (rgb * 65535).round())
    channels = cv2.imread(str(tmp_path / f"a{suffix}"), cv2.IMREAD_UNCHANGED).ndim
    assert channels == (2 if grey else 3)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_formats_stay_close(tmp_path, suffix):
    rgb = bicubic_resize(picture(4, 6).rgb[None], 8)[0].clamp(0, 1)
    write_picture(Picture(rgb=rgb), tmp_path / f"a{suffix}")
    assert (read_rgb(tmp_path / f"a{suffix}") - rgb).abs().mean() < 0.03


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("orientation", "seen"),
    list(enumerate(["rgbw", "grwb", "wbgr", "bwrg", "rbgw", "brwg", "wgbr", "gwrb"], start=1)),
)
def test_orientation_is_applied_once(tmp_path, orientation, seen, order):
    path, copy = tmp_path / "a.png", tmp_path / "b.png"
    write_picture(Picture(rgb=marked(), metadata=Metadata(exif=exif(orientation, order))), path)
    upright = read_picture(path)
    assert corners(upright.rgb) == seen
    assert upright.rgb.shape[-2:] == ((16, 24) if orientation < 5 else (24, 16))
    assert upright.metadata.exif == exif(1, order)
    write_picture(upright, copy)
    assert torch.equal(read_rgb(copy), upright.rgb)
    viewer = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)  # OpenCV's own reading of the tag
    assert np.array_equal(viewer, (upright.rgb * 255).byte().permute(1, 2, 0).numpy())


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_orientation_in_lossy_formats(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_picture(Picture(rgb=marked(), metadata=Metadata(exif=exif(6))), path)
    assert corners(read_rgb(path)) == "brwg"


def test_strange_exif_does_not_matter(tmp_path):
    for bad in (b"II*\0\xff\xff\xff\xff", exif(6)[:12], exif(9), b"Exif\0\0", exif(6, ">")[4:]):
        assert _turned(marked().numpy(), take_orientation(bad)[0]).shape[0] == 3
    assert take_orientation(exif(9)) == (9, exif(1))


@pytest.mark.parametrize(
    ("suffix", "kept"),
    [
        (".jpg", {"exif", "xmp", "icc"}),
        (".webp", {"exif", "xmp", "icc"}),
        (".png", {"exif", "xmp", "icc"}),
        (".tif", {"exif", "xmp", "icc"}),
    ],
)
def test_metadata_round_trip(tmp_path, suffix, kept):
    metadata = Metadata(exif=exif(1), xmp=XMP, icc=icc())
    for index in range(3):  # written, read and written again, nothing grows or wears off
        write_picture(picture(metadata=metadata), tmp_path / f"{index}{suffix}")
        metadata = read_picture(tmp_path / f"{index}{suffix}").metadata
    assert metadata.icc == icc()
    assert (metadata.exif == exif(1)) == ("exif" in kept)
    assert (metadata.xmp == XMP) == ("xmp" in kept)


def test_profile_in_a_tiff_leaves_the_pixels_alone(tmp_path):
    original = picture(33, 21, bits=16, metadata=Metadata(icc=icc() + b"odd"))
    write_picture(original, tmp_path / "a.tif")
    again = read_picture(tmp_path / "a.tif")
    assert again.metadata.icc == icc() + b"odd"
    assert torch.allclose(again.rgb, original.rgb, atol=1e-5)


@pytest.mark.parametrize("alpha", [None, torch.full((1, 4, 4), 0.6)])
@pytest.mark.parametrize("space", [b"RGB ", b"GRAY", b""])
def test_grey_never_gets_a_profile_of_another_space(tmp_path, space, alpha, capfd):
    metadata = Metadata(icc=icc(space) if space else b"")
    grey = Picture(
        rgb=torch.full((3, 4, 4), 0.4), grey=True, alpha=alpha, bits=8, metadata=metadata
    )
    write_picture(grey, tmp_path / "a.png")
    again = read_picture(tmp_path / "a.png")
    assert again.grey
    assert again.metadata.icc == (b"" if space == b"GRAY" and alpha is not None else metadata.icc)
    assert capfd.readouterr().err == ""


def test_palette_png(tmp_path):
    palette = chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0, 0, 0, 255]))
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 2, 8, 3, b"\0\0\1\0\2\1", palette))
    assert read_rgb(path).permute(1, 2, 0).tolist() == [
        [[1, 0, 0], [0, 1, 0]],
        [[0, 0, 1], [0, 1, 0]],
    ]
    path.write_bytes(png(2, 2, 8, 3, b"\0\0\1\0\2\1", palette, chunk(b"tRNS", b"\xff\0")))
    assert read_picture(path).alpha.tolist() == [[[1, 0], [1, 0]]]
    path.write_bytes(png(8, 1, 1, 0, b"\0\xa5"))
    assert read_rgb(path)[0].tolist() == [[1, 0, 1, 0, 0, 1, 0, 1]]


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_with_alpha(tmp_path, bits):
    path = tmp_path / "a.png"
    row = b"\0\x10\x80\x20\xff" if bits == 8 else b"\0\x10\x10\x80\x80\x20\x20\xff\xff"
    path.write_bytes(png(2, 1, bits, 4, row))
    read = read_picture(path)
    assert read.grey
    assert read.bits == bits
    assert torch.allclose(read.rgb[0] * 255, torch.tensor([[16.0, 32.0]]))
    assert torch.allclose(read.alpha[0] * 255, torch.tensor([[128.0, 255.0]]))
    write_picture(read, tmp_path / "b.png")
    again = read_picture(tmp_path / "b.png")
    assert torch.equal(again.rgb, read.rgb)
    assert torch.equal(again.alpha, read.alpha)


def test_jpeg_lays_transparency_on_white_and_says_so(tmp_path):
    clear = Picture(rgb=torch.zeros(3, 16, 16), alpha=torch.zeros(1, 16, 16))
    notes = write_picture(clear, tmp_path / "a.jpg")
    assert "white" in notes[0]
    assert read_rgb(tmp_path / "a.jpg").min() == 1


def test_what_a_format_cannot_hold_is_noted(tmp_path):
    assert "reduced to 8" in write_picture(picture(bits=16), tmp_path / "a.webp")[0]
    assert "profile" in write_picture(picture(metadata=Metadata(icc=icc())), tmp_path / "a.bmp")[0]


def test_values_are_clamped_and_rounded(tmp_path):
    rgb = torch.tensor([-0.5, 1.5, 0.498, 127.49 / 255]).expand(3, 1, 4)
    write_picture(Picture(rgb=rgb), tmp_path / "a.png")
    assert (read_rgb(tmp_path / "a.png") * 255).round()[0, 0].tolist() == [0, 255, 127, 127]


def test_names_in_any_script(tmp_path):
    path = tmp_path / ("größe 写真 🌄" + "n" * 229 + ".png")  # the longest that Linux takes
    write_picture(picture(), path)
    assert read_rgb(path).shape == (3, 12, 17)
    assert find_images(tmp_path) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(ImageError, match=r"a\.png: No space left"):
        write_picture(picture(), path)
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]
    assert path.read_bytes() == b"old"


def test_unwritable_destinations(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    for place in ("file/a.png", "missing/a.png", "folder.png", "a.xyz", "a"):
        with pytest.raises(ImageError, match="Cannot write"):
            write_picture(picture(), tmp_path / place)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_format_too_small_for_the_image(tmp_path):
    with pytest.raises(ImageError, match="16383 pixels per side, not 16400x2"):
        write_picture(Picture(rgb=torch.zeros(3, 2, 16400)), tmp_path / "a.webp")
    assert list(tmp_path.iterdir()) == []


def test_a_written_file_has_the_usual_permissions(tmp_path):
    write_picture(picture(), tmp_path / "a.png")
    (tmp_path / "b").touch()
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_bicubic_in_half_precision():
    for dtype in (torch.float16, torch.bfloat16):
        assert bicubic_resize(torch.rand(1, 3, 4, 4).to(dtype), 2).dtype == dtype


def test_examples_run():
    assert doctest.testmod(resizing).failed == 0
