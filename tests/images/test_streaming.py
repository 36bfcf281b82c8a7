"""Files written row by row: what other programs read from them."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from toolkit.images.streaming import ROWS, streams, write_streamed

RNG = np.random.default_rng(0)


def scene(height, width, channels, kind):
    """Something smooth with noise."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    layers = [np.sin(9 * x + c) * np.cos(7 * y - c) / 2 + 0.5 for c in range(channels)]
    noisy = np.stack(layers, 2) + RNG.normal(0, 0.01, (height, width, channels))
    return (noisy.clip(0, 1) * np.iinfo(kind).max).astype(kind)


def encoded(suffix, width=0, sampling=cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, block=8):
    options = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    options += [cv2.IMWRITE_JPEG_RST_INTERVAL, -(-width // block)]

    def encode(pixels):
        order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[pixels.shape[2]]
        done, data = cv2.imencode(suffix, pixels[..., order], options)
        assert done
        return data.tobytes()

    return encode


def written(suffix, pixels, heights, encode):
    file = io.BytesIO()
    cuts = np.cumsum(heights)
    strips = [part for part in np.split(pixels, cuts[cuts < len(pixels)]) if len(part)]
    write_streamed(file, suffix, iter(strips), len(pixels), encode)
    return file.getvalue()


def read(data):
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return pixels[..., {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[pixels.shape[2]]]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("height", [1, ROWS, 3 * ROWS + 7])
def test_lossless_files(suffix, kind, channels, height):
    pixels = scene(height, 33, channels, kind)
    data = written(suffix, pixels, [5, 300, 1, 100], encoded(suffix))
    if (suffix, channels) == (".tif", 4):
        pixels = pixels.copy()  # OpenCV reads alpha without its kind
    np.testing.assert_array_equal(read(data), pixels)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (33, height)
        if kind == np.uint8:
            np.testing.assert_array_equal(np.array(image).reshape(pixels.shape), pixels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("sampling", "block"),
    [
        (cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, 8),
        (cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422, 16),
        (cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420, 16),
    ],
)
@pytest.mark.parametrize("height", [3, ROWS, 3 * ROWS + 7])
def test_a_jpeg_file_is_as_if_it_were_encoded_at_once(channels, sampling, block, height):
    pixels = scene(height, 77, channels, np.uint8)
    encode = encoded(".jpg", 77, sampling, block if channels == 3 else 8)
    assert written(".jpg", pixels, [10, 500, 3], encode) == encode(pixels)


def test_a_png_file_is_not_much_larger_than_opencvs():
    pixels = scene(600, 500, 3, np.uint8)
    encode = encoded(".png")
    assert len(written(".png", pixels, [600], encode)) < 1.05 * len(encode(pixels))


def test_what_stands_around_the_pixels_is_kept():
    encode, text = encoded(".png"), b"tEXtComment\0hello"

    def with_text(pixels):
        data = encode(pixels)
        chunk = struct.pack(">I", len(text) - 4) + text
        chunk += struct.pack(">I", __import__("zlib").crc32(text))
        return data[:-12] + chunk + data[-12:]

    data = written(".png", scene(300, 20, 3, np.uint8), [300], with_text)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.text["Comment"] == "hello"


def test_which_formats():
    assert all(map(streams, (".png", ".tif", ".tiff", ".jpg", ".jpeg")))
    assert not any(map(streams, (".webp", ".bmp", ".avif")))
