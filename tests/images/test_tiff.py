"""TIFF files of every layout, written by tifffile or Pillow, read to the last bit."""

import contextlib
import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from toolkit.colour_profiles import read_photo
from toolkit.errors import ImageError
from toolkit.images import Metadata, Picture, read_picture, write_picture

SAMPLES = np.random.default_rng(0).integers(0, 65536, (37, 45, 5)).astype(np.uint16)
LAYOUTS = {
    "strips": {"rowsperstrip": 10},
    "one strip": {},
    "tiles": {"tile": (16, 16)},
    "deflate": {"compression": "zlib", "predictor": True},
    "deflated tiles": {"compression": "zlib", "predictor": True, "tile": (16, 16)},
}
KINDS = {
    "grey": ([0], None, {"photometric": "minisblack"}),
    "negative": ([0], None, {"photometric": "miniswhite"}),
    "grey and alpha": ([0, 3], 3, {"photometric": "minisblack", "extrasamples": ["unassalpha"]}),
    "rgb": ([0, 1, 2], None, {"photometric": "rgb"}),
    "rgba": ([0, 1, 2, 3], 3, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    "unknown fourth": ([0, 1, 2, 3], None, {"photometric": "rgb", "extrasamples": [0]}),
    "alpha as fifth": ([0, 1, 2, 3, 4], 4, {"photometric": "rgb", "extrasamples": [0, 2]}),
}


def integers(tensor, dtype):
    return (tensor * np.iinfo(dtype).max).round().numpy().astype(dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_layout(tmp_path, dtype, kind, planar, order, layout):
    channels, alpha, told = KINDS[kind]
    if planar and len(channels) == 1:
        return
    source = SAMPLES.astype(dtype)  # the lower byte in 8 bits
    stored = source[..., channels] if len(channels) > 1 else source[..., 0]
    if planar:
        told = {**told, "planarconfig": "separate"}
        stored = stored.transpose(2, 0, 1)
    stored = np.ascontiguousarray(stored)
    tifffile.imwrite(tmp_path / "a.tif", stored, byteorder=order, **LAYOUTS[layout], **told)
    picture = read_picture(tmp_path / "a.tif")
    colours = source[..., :3] if len(channels) > 2 else source[..., [0, 0, 0]]
    wanted = np.iinfo(dtype).max - colours if kind == "negative" else colours
    assert np.array_equal(integers(picture.rgb, dtype).transpose(1, 2, 0), wanted)
    assert (picture.alpha is None) == (alpha is None)
    if alpha is not None:
        assert np.array_equal(integers(picture.alpha[0], dtype), source[..., alpha])
    assert bool(picture.notes) == (kind in {"unknown fourth", "alpha as fifth"})


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_big_tiff(tmp_path, dtype):
    planes = np.ascontiguousarray(SAMPLES[..., :3].transpose(2, 0, 1)).astype(dtype)
    told = {"photometric": "rgb", "planarconfig": "separate", "bigtiff": True}
    tifffile.imwrite(tmp_path / "a.tif", planes, description="A view", **told)
    picture = read_picture(tmp_path / "a.tif")
    assert np.array_equal(integers(picture.rgb, dtype), planes)
    assert b"A view" in picture.metadata.exif


@pytest.mark.parametrize(
    "compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate", "zstd", "lzma"]
)
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_every_compression(tmp_path, compression, mode):
    pixels = SAMPLES[..., : len(mode)].astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(pixels.squeeze()), mode)
    image.save(tmp_path / "a.tif", compression=compression)
    picture = read_picture(tmp_path / "a.tif")
    wanted = np.array(image.convert("RGB"))
    assert np.array_equal(integers(picture.rgb, np.uint8).transpose(1, 2, 0), wanted)
    assert (picture.alpha is not None) == (mode[-1] == "A" and mode != "L")


@pytest.mark.parametrize(("mode", "compression"), [("1", "group4"), ("P", "tiff_lzw")])
def test_fax_and_palette(tmp_path, mode, compression):
    image = Image.fromarray(SAMPLES[..., 0].astype(np.uint8)).convert(mode)
    image.save(tmp_path / "a.tif", compression=compression)
    seen = integers(read_picture(tmp_path / "a.tif").rgb, np.uint8)
    assert np.array_equal(seen.transpose(1, 2, 0), np.array(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_orientation_where_opencv_understands_the_samples(tmp_path, mode):
    image = Image.fromarray(np.mgrid[:32, :48].sum(0).astype(np.uint8) // 8).convert(mode)
    told = Image.Exif()
    told[0x0112] = 6
    form = {"compression": "jpeg", "quality": 100} if mode == "RGB" else {}
    image.save(tmp_path / "a.tif", exif=told, **form)
    seen = integers(read_picture(tmp_path / "a.tif").rgb, np.uint8).transpose(1, 2, 0)
    upright = np.array(image.convert("RGB").transpose(Image.Transpose.ROTATE_270))
    assert seen.shape == (48, 32, 3)
    assert np.abs(seen.astype(int) - upright).max() <= 2


def test_jpeg_in_a_tiff(tmp_path):
    smooth = np.mgrid[:32, :48].sum(0).astype(np.uint8)[..., None].repeat(3, 2)
    Image.fromarray(smooth).save(tmp_path / "a.tif", compression="jpeg", quality=95)
    seen = integers(read_picture(tmp_path / "a.tif").rgb, np.uint8).transpose(1, 2, 0)
    assert np.abs(seen.astype(int) - smooth).max() <= 4


def test_a_channel_of_unknown_kind_whitens_no_photograph(tmp_path):
    pixels = np.full((4, 5, 4), (10, 20, 30, 0), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unspecified"])
    assert integers(read_photo(tmp_path / "a.tif"), np.uint8)[:, 0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("lab", "wanted"),  # by LittleCMS
    [((128, 20, 30), (161, 106, 69)), ((128, -20, 30), (97, 128, 66)), ((255, 0, 0), (255,) * 3)],
)
def test_lab(tmp_path, bits, lab, wanted):
    scale = np.array([257, 256, 256]) if bits == 16 else 1
    stored = (np.full((4, 5, 3), lab) * scale).astype(f"int{bits * 2}").astype(f"uint{bits}")
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="cielab")
    picture = read_picture(tmp_path / "a.tif")
    assert picture.bits == bits
    assert np.abs(picture.rgb[:, 0, 0].numpy() * 255 - wanted).max() <= 1.1
    assert picture.notes == ("Lab was converted to sRGB",)


@pytest.mark.parametrize("bits", [8, 16])
def test_icc_lab(tmp_path, bits):
    code = (128, 148, 158) if bits == 8 else (128 * 256, 148 * 256, 158 * 256)
    stored = np.full((4, 5, 3), code, f"uint{bits}")
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="icclab")
    seen = read_picture(tmp_path / "a.tif").rgb[:, 0, 0].numpy() * 255
    assert np.abs(seen - (161, 106, 69)).max() <= 1.1
    white = (255, 128, 128) if bits == 8 else (0xFF00, 0x8000, 0x8000)
    tifffile.imwrite(tmp_path / "a.tif", np.full_like(stored, white), photometric="icclab")
    assert read_picture(tmp_path / "a.tif").rgb.min() > 0.9995


@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk_gains_no_alpha(tmp_path, bits):
    stored = np.full((4, 5, 4), (255, 51, 0, 51), f"uint{bits}") * (257 if bits == 16 else 1)
    tifffile.imwrite(tmp_path / "a.tif", stored.astype(f"uint{bits}"), photometric="separated")
    picture = read_picture(tmp_path / "a.tif")
    assert picture.alpha is None
    assert integers(picture.rgb, np.uint8)[:, 0, 0].tolist() == [0, 163, 204]
    assert "CMYK was converted to RGB without a profile" in picture.notes


def test_alpha_is_named_in_what_is_written(tmp_path):
    alpha = read_picture_of(tmp_path, SAMPLES[..., :4].astype(np.uint8))
    write_picture(alpha, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].extrasamples == (2,)
    with Image.open(tmp_path / "b.tif") as image:
        assert np.array_equal(np.array(image), SAMPLES[..., :4].astype(np.uint8))


def read_picture_of(tmp_path, pixels):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    return read_picture(tmp_path / "a.tif")


def test_damaged_directories_are_no_tracebacks(tmp_path):
    data = io.BytesIO()
    tifffile.imwrite(data, SAMPLES[..., :3], photometric="rgb", description="x" * 100)
    whole = bytearray(data.getvalue())
    (start,) = struct.unpack_from("<I", whole, 4)
    for place in range(start, start + 140, 3):
        broken = bytearray(whole)
        broken[place] ^= 0xFF
        (tmp_path / "a.tif").write_bytes(broken)
        with contextlib.suppress(ImageError):
            assert read_picture(tmp_path / "a.tif").rgb.shape[0] == 3


def test_damaged_exif_is_told_of(tmp_path):
    picture = Picture(read_picture_of(tmp_path, SAMPLES[..., :4]).rgb, metadata=Metadata(exif=b"?"))
    assert "damaged" in write_picture(picture, tmp_path / "b.tif")[0]
