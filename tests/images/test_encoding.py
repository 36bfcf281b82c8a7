"""Quality and subsampling: those of the source, those asked for, and those that do not exist."""

import io

import numpy as np
import pytest
import torch
from odd_parts import RAMP, encoded
from PIL import Image

from toolkit.errors import ImageError, UsageError
from toolkit.images import Encoding, Picture, jpeg, read_picture, why_too_large, write_picture
from toolkit.images.boxes import codec_facts
from toolkit.images.quantisation import quality_of, tables_in

NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
PICTURE = Picture(torch.from_numpy(NOISE.transpose(2, 0, 1).copy()).float() / 255)
SAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


def encoding_of(path):
    return jpeg.encoding_of(path.read_bytes())


@pytest.mark.parametrize("pixels", [RAMP, RAMP[..., 0].copy()], ids=["colour", "grey"])
def test_the_quality_of_libjpeg_is_estimated_exactly(pixels):
    for quality in range(1, 101):
        told = jpeg.encoding_of(encoded(pixels, "JPEG", quality=quality))
        saturated = quality_of({0: np.full(64, 255)})  # all values of the worst tables are 255
        assert told.quality == max(quality, saturated if quality <= saturated else 0)


@pytest.mark.parametrize(("subsampling", "number"), SAMPLINGS.items())
def test_the_subsampling_is_read(subsampling, number):
    assert jpeg.encoding_of(encoded(RAMP, "JPEG", subsampling=number)).subsampling == subsampling
    assert jpeg.encoding_of(encoded(RAMP[..., 0], "JPEG")).subsampling is None


@pytest.mark.parametrize("preset", ["web_low", "web_medium", "web_high", "low", "high", "maximum"])
def test_other_tables_are_nowhere_coarser_in_sum(preset):
    """Photoshop's tables have no exact counterpart in libjpeg."""
    source = _tables(encoded(RAMP, "JPEG", quality=preset))
    quality = quality_of(source)
    chosen = _tables(encoded(RAMP, "JPEG", quality=quality))
    assert all(chosen[number].sum() <= source[number].sum() for number in source)
    worse = _tables(encoded(RAMP, "JPEG", quality=quality - 1))
    assert any(worse[number].sum() > source[number].sum() for number in source)


def _tables(data):
    with Image.open(io.BytesIO(data)) as image:
        return {number: np.array(table) for number, table in image.quantization.items()}


@pytest.mark.parametrize("quality", [75, 83, 92, 99])
@pytest.mark.parametrize("subsampling", SAMPLINGS)
def test_a_jpeg_follows_its_source(tmp_path, quality, subsampling):
    data = encoded(NOISE, "JPEG", quality=quality, subsampling=SAMPLINGS[subsampling])
    (tmp_path / "a.jpg").write_bytes(data)
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.encoding == Encoding(quality, subsampling)
    write_picture(picture, tmp_path / "b.jpg")
    assert encoding_of(tmp_path / "b.jpg") == Encoding(quality, subsampling)
    assert abs((tmp_path / "b.jpg").stat().st_size / len(data) - 1) < 0.1


def test_a_poor_source_does_not_make_a_poor_result(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(NOISE, "JPEG", quality=20))
    write_picture(read_picture(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    assert encoding_of(tmp_path / "b.jpg") == Encoding(75, "4:2:0")


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        (Encoding(), Encoding(95, "4:4:4")),
        (Encoding(90), Encoding(90, "4:4:4")),
        (Encoding(89), Encoding(89, "4:2:0")),
        (Encoding(40, "4:2:2"), Encoding(40, "4:2:2")),
        (Encoding(None, "4:2:0"), Encoding(95, "4:2:0")),
    ],
)
def test_what_is_asked_for(tmp_path, asked, written):
    write_picture(PICTURE, tmp_path / "a.jpg", asked)
    assert encoding_of(tmp_path / "a.jpg") == written


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif", ".heic", ".jxl"])
def test_every_lossy_format_has_a_quality(tmp_path, suffix):
    sizes, losses = [], []
    for quality in (1, 30, 80, 100):
        path = tmp_path / f"{quality}{suffix}"
        assert write_picture(PICTURE, path, Encoding(quality)) == ()
        sizes.append(path.stat().st_size)
        losses.append(float((read_picture(path).rgb - PICTURE.rgb).abs().mean()))
    assert sizes == sorted(sizes)
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("subsampling", SAMPLINGS)
def test_subsampling_of_avif_and_heic(tmp_path, subsampling):
    for suffix in (".avif", ".heic"):
        path = tmp_path / f"a{suffix}"
        write_picture(PICTURE, path, Encoding(60, subsampling))
        again = read_picture(path)
        assert again.encoding.subsampling == subsampling
        write_picture(again, path)
        assert read_picture(path).encoding.subsampling == subsampling
    assert codec_facts((tmp_path / "a.avif").read_bytes()).subsampling == subsampling


def test_avif_of_more_bits_tells_of_its_subsampling(tmp_path):
    deep = Picture(PICTURE.rgb, bits=10)
    assert "4:2:0" in write_picture(deep, tmp_path / "a.avif")[0]
    assert write_picture(deep, tmp_path / "a.avif", Encoding(None, "4:2:0")) == ()
    assert read_picture(tmp_path / "a.avif").encoding.subsampling == "4:2:0"


@pytest.mark.parametrize("quality", [0, 101, -5, 90.5, True])
def test_qualities_out_of_range(quality):
    with pytest.raises(UsageError, match=f"quality {quality} is out of range") as told:
        Encoding(quality)
    assert "1 to 100" in told.value.hint


def test_an_unknown_subsampling():
    with pytest.raises(UsageError, match="'4:1:1' is unknown") as told:
        Encoding(None, "4:1:1")
    assert told.value.hint == "Use one of 4:4:4 4:2:2 4:2:0"


@pytest.mark.parametrize(
    ("suffix", "encoding", "reason"),
    [
        (".png", Encoding(90), "PNG is lossless, so a quality of 90"),
        (".tif", Encoding(90), "TIFF is lossless"),
        (".bmp", Encoding(90), "BMP is lossless"),
        (".png", Encoding(None, "4:2:0"), "PNG stores all colours"),
        (".webp", Encoding(None, "4:4:4"), "WebP always has 4:2:0"),
        (".jxl", Encoding(None, "4:2:0"), "JPEG XL always has 4:4:4"),
    ],
)
def test_what_a_format_does_not_have(tmp_path, suffix, encoding, reason):
    with pytest.raises(UsageError, match=reason) as told:
        write_picture(PICTURE, tmp_path / f"a{suffix}", encoding)
    assert "Leave the" in told.value.hint
    assert list(tmp_path.iterdir()) == []


def test_damaged_tables_are_left_out():
    assert tables_in([b"\x00" + bytes(10), b"", b"\x10" + bytes(64)]) == {}
    assert quality_of({}) is None


@pytest.mark.parametrize(
    ("suffix", "width", "reason"),
    [
        (".avif", 70_000, "AVIF holds at most 32768 pixels per side, not 70000x8"),
        (".heic", 16_400, "HEIC holds at most 16384 pixels per side"),
        (".heic", 8_192, "8192x8 pixels do not fit"),
        (".webp", 16_400, "WebP holds at most 16383"),
        (".jpg", 65_540, "JPEG holds at most 65500"),
    ],
)
@pytest.mark.parametrize("bits", [8, 10])
def test_images_too_large_for_a_format(tmp_path, suffix, width, reason, bits):
    with pytest.raises(ImageError, match=reason) as told:
        write_picture(Picture(torch.zeros(3, 8, width), bits=bits), tmp_path / f"a{suffix}")
    assert "tif" in told.value.hint
    assert list(tmp_path.iterdir()) == []


def test_avif_has_a_limit_of_pixels():
    assert why_too_large(".avif", 2**14, 2**14) == ""
    assert "268 megapixels" in why_too_large(".avif", 2**14, 2**14 + 1)
