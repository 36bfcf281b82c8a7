"""What a photographer would miss, from each format to each other."""

import struct

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin
from PIL.ImageCms import ImageCmsProfile, createProfile
from PIL.TiffImagePlugin import IFDRational

from toolkit.images import Metadata, Picture, read_picture, write_picture
from toolkit.images.metadata import take_orientation
from toolkit.images.tags import parse
from toolkit.images.xmp import upright

ARTIST = "Jörg".encode()
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 20, 3)).astype(np.uint8)
FORMATS = [".jpg", ".png", ".webp", ".tif"]


def told():
    exif = Image.Exif()
    exif[0x010F], exif[0x0132], exif[0x013B] = "Maker", "2024:05:06 07:08:09", ARTIST
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update({0x9003: "2024:05:06 07:08:09", 0x829A: IFDRational(1, 125)})
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 15.25), 3: "E", 4: (13.0, 24.0, 5.5)})
    return exif.tobytes().removeprefix(b"Exif\0\0")


def seen_by_pillow(path):
    with Image.open(path) as image:
        exif = image.getexif()
        artist = exif[0x013B].encode("latin-1")
        place = exif.get_ifd(0x8825)
        return {
            "size": image.size,
            "maker": exif[0x010F],
            "date": exif[0x0132],
            "artist": artist,
            "orientation": exif.get(0x0112),
            "taken": exif.get_ifd(0x8769)[0x9003],
            "exposure": float(exif.get_ifd(0x8769)[0x829A]),
            "latitude": tuple(map(float, place[2])),
            "north": place[1],
        }


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_exif_from_each_format_to_each(tmp_path, source, target):
    picture = Picture(torch.rand(3, 12, 20), metadata=Metadata(exif=told(), dpi=(300, 150)))
    write_picture(picture, tmp_path / f"a{source}")
    upright = read_picture(tmp_path / f"a{source}")
    assert upright.rgb.shape == (3, 20, 12)
    assert upright.metadata.dpi == (300, 150)
    assert write_picture(upright, tmp_path / f"b{target}") == ()
    assert read_picture(tmp_path / f"b{target}").metadata.dpi == (300, 150)
    assert seen_by_pillow(tmp_path / f"b{target}") == {
        "size": (12, 20), "maker": "Maker", "date": "2024:05:06 07:08:09", "artist": ARTIST,
        "orientation": 1, "taken": "2024:05:06 07:08:09", "exposure": 0.008,
        "latitude": (52.0, 30.0, 15.25), "north": "N",
    }  # fmt: skip


@pytest.mark.parametrize("source", [".jpg", ".png", ".tif", ".bmp"])
@pytest.mark.parametrize("target", [".jpg", ".png", ".webp", ".tif", ".bmp"])
def test_density_without_exif(tmp_path, source, target):
    Image.fromarray(PIXELS).save(tmp_path / f"a{source}", dpi=(300, 300))
    picture = read_picture(tmp_path / f"a{source}")
    assert picture.metadata.dpi == (300, 300)
    write_picture(picture, tmp_path / f"b{target}")
    assert read_picture(tmp_path / f"b{target}").metadata.dpi == (300, 300)
    if target != ".webp":
        with Image.open(tmp_path / f"b{target}") as image:
            assert tuple(map(float, image.info["dpi"])) == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize(
    ("suffix", "animated"), [(".avif", False), (".png", True), (".webp", True)]
)
def test_metadata_that_opencv_does_not_read(tmp_path, suffix, animated):
    path, icc = tmp_path / f"a{suffix}", ImageCmsProfile(createProfile("sRGB")).tobytes()
    image = Image.fromarray(PIXELS)
    frames = {"save_all": True, "append_images": [image.rotate(180)]} if animated else {}
    image.save(path, exif=b"Exif\0\0" + told(), icc_profile=icc, **frames)
    picture = read_picture(path)
    assert picture.rgb.shape == (3, 20, 12)
    assert picture.metadata.icc == icc
    write_picture(picture, tmp_path / "b.jpg")
    assert seen_by_pillow(tmp_path / "b.jpg")["latitude"] == (52.0, 30.0, 15.25)


def test_no_density_is_invented(tmp_path):
    for suffix in [*FORMATS, ".bmp"]:
        write_picture(Picture(torch.rand(3, 12, 20)), tmp_path / f"a{suffix}")
        assert read_picture(tmp_path / f"a{suffix}").metadata == Metadata()


def test_bmp_tells_what_it_drops(tmp_path):
    metadata = Metadata(exif=told(), xmp=b"<x/>")
    notes = write_picture(Picture(torch.rand(3, 12, 20), metadata=metadata), tmp_path / "a.bmp")
    assert [note.split()[1] for note in notes] == ["EXIF", "XMP"]


def test_text_of_a_png_is_told_of(tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "someone")
    text.add_text("Software", "something")
    Image.fromarray(PIXELS).save(tmp_path / "a.png", pnginfo=text)
    notes = write_picture(read_picture(tmp_path / "a.png"), tmp_path / "b.png")
    assert notes == ("PNG text was dropped: Author",)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("kind", "code"), [(3, "H"), (4, "I")])
def test_orientation_of_either_size(order, kind, code):
    def exif(value):
        head = b"II*\0" if order == "<" else b"MM\0*"
        entry = struct.pack(f"{order}HHI{code}", 0x0112, kind, 1, value).ljust(12, b"\0")
        return head + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)

    assert take_orientation(exif(6)) == (6, exif(1))


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_orientation_in_xmp_follows(tmp_path, suffix):
    for form in (b'<x tiff:Orientation="%d"/>', b"<x><tiff:Orientation>%d</tiff:Orientation></x>"):
        metadata = Metadata(exif=told(), xmp=form % 6)
        picture = Picture(torch.rand(3, 12, 20), metadata=metadata)
        write_picture(picture, tmp_path / f"a{suffix}")
        assert read_picture(tmp_path / f"a{suffix}").metadata.xmp == form % 1
    assert upright(b"<x tiff:Orientation = '8'/>") == b"<x tiff:Orientation = '1'/>"


def test_circles_and_lies_in_directories_end():
    circle = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 8, 8)
    assert parse(circle).directories == ({},)
    lie = b"MM\0*" + struct.pack(">IHHHIII", 8, 1, 0x010F, 2, 2**31, 8, 0)
    assert parse(lie).directories == ({},)
    assert parse(b"II*\0\xff\xff\xff\xff") is None


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("form", ["iTXt", "tEXt"])
def test_xmp_in_any_text_of_a_png(tmp_path, form, zipped):
    if form == "tEXt" and zipped:
        return
    text = PngImagePlugin.PngInfo()
    if form == "iTXt":
        text.add_itxt("XML:com.adobe.xmp", "<x>\xe4</x>", zip=zipped)
    else:
        text.add(b"tEXt", b"XML:com.adobe.xmp\0" + "<x>\xe4</x>".encode())
    Image.fromarray(PIXELS).save(tmp_path / "a.png", pnginfo=text)
    picture = read_picture(tmp_path / "a.png")
    assert picture.metadata.xmp == "<x>\xe4</x>".encode()
    write_picture(picture, tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.info["XML:com.adobe.xmp"] == "<x>\xe4</x>"
