"""Photographs as cameras, scanners and editors write them, read to train on."""

import io
import struct

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from toolkit.colour_profiles import read_photo
from toolkit.errors import ImageError
from toolkit.images import read_picture

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SWAPPED = SRGB.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")
"""A profile under which red is stored as blue, and blue as red."""


def levels(photo):
    """`[h, w, 3]` in levels of 8 bits."""
    assert photo.dtype == torch.float32
    assert photo.shape[0] == 3
    assert bool(((photo >= 0) & (photo <= 1)).all())
    return (photo * 255).permute(1, 2, 0)


def first(photo):
    return [round(value, 2) for value in levels(photo)[0, 0].tolist()]


def marked():
    """16x24, its corners red, green, blue and white."""
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8, :12, 0] = pixels[:8, 12:, 1] = pixels[8:, :12, 2] = pixels[8:, 12:] = 255
    return pixels


def corners(photo):
    height, width = photo.shape[1:]
    names = {(1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b", (1, 1, 1): "w"}
    ends = [photo[:, y, x] for y in (2, height - 3) for x in (2, width - 3)]
    return "".join(names[tuple(end.round().int().tolist())] for end in ends)


def rgba_tiff(pixels, kind):
    """TIFF whose fourth channel is of a kind: 1 colours are multiplied by it, 2 they are not."""
    height, width, channels = pixels.shape
    body, bits = pixels.tobytes(), pixels.dtype.itemsize * 8
    tags = [(256, 4, width), (257, 4, height), (259, 3, 1), (262, 3, 2), (273, 4, 8)]
    tags += [(277, 3, channels), (278, 4, height), (279, 4, len(body)), (338, 3, kind)]
    entries = [struct.pack("<HHII", tag, form, 1, value) for tag, form, value in tags]
    entries.insert(2, struct.pack("<HHII", 258, 3, channels, 8 + len(body)))
    body += struct.pack("<4H", *[bits] * channels)
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize(
    ("orientation", "seen"),
    list(enumerate(["rgbw", "grwb", "wbgr", "bwrg", "rbgw", "brwg", "wgbr", "gwrb"], start=1)),
)
def test_orientation(tmp_path, suffix, orientation, seen):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(marked()).save(tmp_path / f"a{suffix}", exif=exif)
    photo = read_photo(tmp_path / f"a{suffix}")
    assert corners(photo) == seen
    assert photo.shape[1:] == ((16, 24) if orientation < 5 else (24, 16))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(
    ("pixels", "wanted"),
    [
        (np.full((2, 3), 100, np.uint8), [100] * 3),
        (np.full((2, 3), 100 * 257 + 64, np.uint16), [100.25] * 3),
        (np.full((2, 3, 3), (10, 20, 30), np.uint8), [30, 20, 10]),
        (np.full((2, 3, 3), (2570, 5140, 7774), np.uint16), [30.25, 20, 10]),
        (np.full((2, 3, 4), (10, 20, 30, 255), np.uint8), [30, 20, 10]),
        (np.full((2, 3, 4), (10, 20, 30, 0), np.uint8), [255, 255, 255]),
        (np.full((2, 3, 4), (0, 0, 65535, 51 * 257), np.uint16), [255, 204, 204]),
    ],
    ids=["grey-8", "grey-16", "rgb-8", "rgb-16", "opaque", "transparent", "rgba-16"],
)
def test_bits_and_channels(tmp_path, suffix, pixels, wanted):
    assert cv2.imwrite(str(tmp_path / f"a{suffix}"), pixels)  # blue first
    photo = read_photo(tmp_path / f"a{suffix}")
    assert photo.shape == (3, 2, 3)
    assert first(photo) == wanted


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", [1, 2])
def test_both_kinds_of_alpha_in_a_tiff(tmp_path, bits, kind):
    """Straight colours are laid on white by their alpha, multiplied ones too, not once more."""
    alpha = 102 / 255
    straight = np.full((2, 3, 4), (200, 100, 50, 102)) * (257 if bits == 16 else 1)
    stored = straight * np.array([*[alpha] * 3, 1]) if kind == 1 else straight
    stored = stored.round().astype(f"uint{bits}")
    (tmp_path / "a.tif").write_bytes(rgba_tiff(stored, kind))
    white = 255 * (1 - alpha)
    wanted = torch.tensor([200, 100, 50]) * alpha + white
    assert (levels(read_photo(tmp_path / "a.tif")) - wanted).abs().max() < 0.51
    picture = read_picture(tmp_path / "a.tif")
    assert (levels(picture.rgb) - torch.tensor([200, 100, 50])).abs().max() < 1.3
    assert (picture.alpha * 255).unique().tolist() == [102]


def test_grey_with_alpha(tmp_path):
    Image.new("LA", (3, 2), (100, 51)).save(tmp_path / "a.png")
    assert first(read_photo(tmp_path / "a.png")) == [224] * 3


@pytest.mark.parametrize(
    ("transparency", "wanted"),
    [(None, [250, 0, 0]), (1, [255] * 3), (bytes([0, 51]), [254, 204, 204])],
)
def test_palette(tmp_path, transparency, wanted):
    image = Image.new("P", (3, 2), 1)
    image.putpalette([0, 0, 0, 250, 0, 0])
    image.save(tmp_path / "a.png", transparency=transparency)
    assert first(read_photo(tmp_path / "a.png")) == wanted


def test_hidden_colours_do_not_show(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (4, 4, 4), np.uint8)
    noise[..., 3] = 0
    Image.fromarray(noise).save(tmp_path / "a.webp", lossless=True, exact=True)
    assert read_picture(tmp_path / "a.webp").rgb.min() < 0.2
    assert read_photo(tmp_path / "a.webp").min() == 1


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_the_profile_in_the_file_counts(tmp_path, suffix):
    place = tmp_path / f"a{suffix}"
    image = Image.fromarray(marked())
    for icc, seen in ((None, "rgbw"), (SRGB, "rgbw"), (SWAPPED, "bgrw")):
        image.save(place, icc_profile=icc)
        assert corners(read_photo(place)) == seen
    assert corners(read_picture(place).rgb) == "rgbw"
    assert read_picture(place).metadata.icc == SWAPPED


def test_profile_alpha_and_orientation_together(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.dstack([marked(), np.full((16, 24), 51, np.uint8)])
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif, icc_profile=SWAPPED)
    photo = levels(read_photo(tmp_path / "a.png"))
    assert photo.shape == (24, 16, 3)
    assert photo[2, 2].round().tolist() == [255, 204, 204]  # below it was blue, is red


def test_a_torn_profile_costs_no_photograph(tmp_path, caplog):
    Image.fromarray(marked()).save(tmp_path / "a.jpg", icc_profile=SRGB[:300])
    assert corners(read_photo(tmp_path / "a.jpg")) == "rgbw"
    assert "a.jpg: its colour profile is unusable" in caplog.text


def test_a_torn_file_is_an_error(tmp_path):
    data = io.BytesIO()
    Image.fromarray(marked()).save(data, "PNG")
    (tmp_path / "a.png").write_bytes(data.getvalue()[:-40])
    with pytest.raises(ImageError, match=r"a\.png"):
        read_photo(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_content_from_elsewhere_is_read_like_a_file(tmp_path, name):
    path = tmp_path / name
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned
    Image.new("RGB", (8, 5), (200, 30, 90)).save(path, exif=exif, icc_profile=SWAPPED)
    photo = read_photo("not there.xyz", data=path.read_bytes())
    assert photo.shape == (3, 8, 5)
    assert torch.equal(photo, read_photo(path))


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"no image", "damaged or not an image")]
)
def test_content_that_is_no_image_is_named(content, reason):
    with pytest.raises(ImageError, match=rf"^row 5 is {reason}$"):
        read_photo("row 5", data=content)


@pytest.mark.parametrize("size", [(1, 1), (7, 40), (16, 3)])
def test_a_jpeg_of_less_than_a_block_is_read(tmp_path, size):
    Image.new("RGB", size, (200, 30, 90)).save(tmp_path / "a.jpg")
    assert read_photo(tmp_path / "a.jpg").shape == (3, *size[::-1])
