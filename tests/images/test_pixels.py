"""Pixels that a file has in ways of its own: frames, transparent levels, four inks."""

import struct

import numpy as np
import pytest
from PIL import Image

from toolkit.images import read_picture, write_picture

LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16)


def inks_profile():
    """CMYK by tables: cyan ink is Lab (50, 40, 0), whatever the others, and paper is white."""
    paper, cyan, black = (255, 128, 128), (128, 168, 128), (0, 128, 128)
    corners = [
        cyan if c else black if k else paper
        for c in (0, 1) for _ in range(4) for k in (0, 1)
    ]  # fmt: skip
    one = struct.pack(">i", 65536)
    matrix = b"".join(one if place % 4 == 0 else bytes(4) for place in range(9))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + bytes(range(256)) * 4
    table += bytes(np.array(corners, np.uint8)) + bytes(range(256)) * 3
    header = bytearray(128)
    header[0:4], header[8:12] = struct.pack(">I", 144 + len(table)), bytes([2, 0x10, 0, 0])
    header[12:16], header[16:20], header[20:24], header[36:40] = b"prtr", b"CMYK", b"Lab ", b"acsp"
    header[68:80] = struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)
    return bytes(header) + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table


@pytest.mark.parametrize("suffix", [".png", ".webp", ".gif", ".tif", ".avif"])
def test_further_frames_are_told_of(tmp_path, suffix):
    frames = [Image.fromarray(np.roll(LEVELS, shift)).convert("RGB") for shift in range(3)]
    path = tmp_path / f"a{suffix}"
    frames[0].save(path)
    assert read_picture(path).notes == ()
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert read_picture(path).notes == ("only the first of 3 pages or frames was read",)
    still = tmp_path / "b.png"
    write_picture(read_picture(path), still)
    assert read_picture(still).notes == ()


def test_a_smaller_copy_is_no_page(tmp_path):
    import tifffile

    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(LEVELS)
        file.write(LEVELS[::2, ::2].copy(), subfiletype=1)
    assert read_picture(tmp_path / "a.tif").notes == ()


@pytest.mark.parametrize("bits", [8, 16])
def test_a_transparent_level_of_grey(tmp_path, bits):
    pixels = LEVELS if bits == 8 else LEVELS.astype(np.uint16) * 256 + 5
    level = int(pixels[4, 13])
    Image.fromarray(pixels).save(tmp_path / "a.png", transparency=level)
    picture = read_picture(tmp_path / "a.png")
    assert (picture.bits, picture.grey) == (bits, True)
    assert (picture.alpha[0] == 0).nonzero().tolist() == [[4, 13]]
    assert picture.alpha.unique().tolist() == [0, 1]
    write_picture(picture, tmp_path / "b.png")
    again = read_picture(tmp_path / "b.png")
    assert again.alpha.equal(picture.alpha)
    assert again.rgb.equal(picture.rgb)


def test_a_transparent_level_of_few(tmp_path):
    image = Image.fromarray(LEVELS > 128)
    image.save(tmp_path / "a.png", transparency=1)
    picture = read_picture(tmp_path / "a.png")
    assert picture.alpha[0].tolist() == (LEVELS <= 128).astype(float).tolist()


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_inks_are_converted_by_their_profile(tmp_path, suffix):
    inks = np.zeros((16, 48, 4), np.uint8)
    inks[:, 16:32, 0] = inks[:, 32:, 3] = 255
    image, path = Image.fromarray(inks, "CMYK"), tmp_path / f"a{suffix}"
    image.save(path, icc_profile=inks_profile(), **({"quality": 100} if suffix == ".jpg" else {}))
    picture = read_picture(path)
    assert picture.alpha is None
    assert picture.metadata.icc == b""
    assert picture.notes == ("CMYK was converted to sRGB by its profile",)
    seen = (picture.rgb[:, 8, [8, 24, 40]] * 255).T.numpy()
    assert np.abs(seen - [(255, 255, 255), (176, 92, 119), (0, 0, 0)]).max() <= 4
    image.save(path, **({"quality": 100} if suffix == ".jpg" else {}))
    picture = read_picture(path)
    assert picture.notes == ("CMYK was converted to RGB without a profile",)
    seen = (picture.rgb[:, 8, [8, 24, 40]] * 255).T.numpy()
    assert np.abs(seen - [(255, 255, 255), (0, 255, 255), (0, 0, 0)]).max() <= 4
