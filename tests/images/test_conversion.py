"""Images in memory as pictures, and back."""

import numpy as np
import pytest
import torch
from PIL import Image

from toolkit.errors import ImageError
from toolkit.images.conversion import converted, picture_of

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 5, 3), np.uint8)


def opened(file):
    with Image.open(file) as image:
        image.load()
    return image


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 3), (6, 5, 4)])
def test_arrays_come_back_as_they_were(kind, shape):
    levels = 255 if kind == np.uint8 else 65535
    array = RNG.integers(0, levels + 1, shape)
    array = (array / levels if np.dtype(kind).kind == "f" else array).astype(kind)
    picture = picture_of(array)
    assert picture.rgb.shape == (3, 6, 5)
    assert picture.grey == (array.ndim == 2 or shape[2] == 1)
    assert (picture.alpha is not None) == (shape == (6, 5, 4))
    back = converted(picture, array)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_allclose(back, array, atol=1e-7)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_pillow_images_of_any_mode(mode):
    image = Image.fromarray(RGB).convert("RGBA" if mode in ("LA", "PA", "RGBA") else "RGB")
    image = image.convert(mode)
    picture = picture_of(image)
    back = converted(picture, image)
    plain = {"1": "L", "P": "RGB", "PA": "RGBA"}.get(mode, mode)
    plain = plain if plain in ("L", "LA", "RGB", "RGBA") else "RGB"
    assert (back.mode, back.size) == (plain, image.size)
    np.testing.assert_array_equal(np.array(back), np.array(image.convert(plain)))


def test_transparent_palettes_keep_their_holes():
    image = Image.fromarray(RGB).convert("P")
    image.info["transparency"] = image.getpixel((0, 0))
    back = converted(picture_of(image), image)
    assert back.mode == "RGBA"
    assert back.getpixel((0, 0))[3] == 0


def test_grey_of_16_bits():
    image = Image.fromarray(RNG.integers(0, 65536, (6, 5), np.uint16))
    back = converted(picture_of(image), image)
    assert back.mode == image.mode == "I;16"
    np.testing.assert_array_equal(np.array(back), np.array(image))


def test_what_a_pillow_image_carries(tmp_path):
    image = Image.fromarray(RGB)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A maker"
    image.save(tmp_path / "a.png", exif=exif, dpi=(300, 300), icc_profile=b"x" * 200)
    given = opened(tmp_path / "a.png")
    back = converted(picture_of(given), given)
    assert back.size == (6, 5)  # upright
    np.testing.assert_array_equal(np.array(back), np.rot90(RGB, -1))
    back.save(tmp_path / "b.png", exif=back.getexif(), dpi=back.info["dpi"])
    again = opened(tmp_path / "b.png")
    assert again.getexif()[0x010F] == "A maker"
    assert again.getexif().get(0x0112, 1) == 1
    assert again.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("channels", [1, 3])
def test_tensors(channels):
    tensor = torch.rand(channels, 6, 5, dtype=torch.float64)
    back = converted(picture_of(tensor), tensor)
    assert back.dtype == torch.float64
    torch.testing.assert_close(back, tensor, atol=1e-7, rtol=0)


def test_paths_become_pillow_images(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        np.testing.assert_array_equal(np.array(converted(picture_of(path), path)), RGB)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "cannot be a NoneType"),
        (np.zeros((2, 2, 2), np.uint8), r"shape \[2, 2, 2\]"),
        (np.zeros((0, 2, 3), np.uint8), r"shape \[0, 2, 3\]"),
        (np.zeros((2, 2), np.int64), "int64"),
        (np.full((2, 2), 1.5), r"outside of \[0, 1\]"),
        (np.full((2, 2), np.nan), r"outside of \[0, 1\]"),
        (torch.zeros(2, 3, 4), r"shape \[2, 3, 4\]"),
        (torch.zeros(3, 3, 4, dtype=torch.uint8), "uint8"),
        (torch.full((3, 3, 4), -0.5), r"outside of \[0, 1\]"),
    ],
)
def test_what_is_no_image(image, message):
    with pytest.raises(ImageError, match=message) as told:
        picture_of(image)
    assert told.value.hint
