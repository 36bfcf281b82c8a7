"""Files of every kind are read, written back and seen alike by Pillow; broken ones are told of."""

import io

import cv2
import numpy as np
import pytest
from odd_files import OddFile, odd_files
from odd_parts import DPI, MAKER, TITLE, XMP, icc_profile
from PIL import Image, IptcImagePlugin

from toolkit.errors import ImageError
from toolkit.image_files import IMAGE_SUFFIXES
from toolkit.images import Picture, read_picture, write_picture

LOSSLESS = {".png", ".tif", ".tiff", ".bmp"}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[OddFile]:
    made = odd_files(tmp_path_factory.mktemp("odd"))
    assert len(made) > 60
    return made


def test_sound_files_are_read(files):
    for file in (file for file in files if file.good):
        picture = read_picture(file.path)
        assert_alike(pixels_of(picture), file, file.tolerance)
        assert picture.bits == file.bits, file
        assert picture.grey == (file.pixels.shape[2] < 3), file
        assert kept_in(picture.metadata) == file.kept, file
        notes = " ".join(picture.notes + picture.metadata.lost)
        assert file.told in notes, file
        assert bool(file.told) == bool(notes), file


def test_sound_files_are_written_back(files, tmp_path):
    for file in (file for file in files if file.good):
        suffix = file.path.suffix.lower()
        path = tmp_path / f"{file.path.name}{suffix if suffix in IMAGE_SUFFIXES else '.png'}"
        notes = " ".join(write_picture(read_picture(file.path), path))
        seen, info = by_pillow(path)
        if "converted to sRGB" in notes:  # the profile exchanges red and blue
            assert suffix == ".jxl"
            seen = seen[..., ::-1]
            del info["icc"]
        assert_alike(seen, file, 2 * file.tolerance + (0.6 if path.suffix in LOSSLESS else 4))
        kept = {part for part in file.kept if part in info}
        for part in file.kept - kept:
            assert {"iptc": "IPTC", "icc": "sRGB"}[part] in notes, file
        if MAKER in str(info.get("exif")):
            assert info["exif"] == {"maker": MAKER, "orientation": 1, "size": seen.shape[1::-1]}
        expected = {"xmp": XMP, "icc": icc_profile(), "iptc": TITLE, "dpi": DPI}
        for part in kept - {"exif"}:
            assert info[part] == expected[part], file
        again = read_picture(path)
        most = {".jpg": 8, ".avif": 12, ".heic": 10, ".jxl": 8}.get(path.suffix, 16)
        assert again.bits == min(most, file.bits), file


def test_broken_files_are_told_of_in_words(files, capfd):
    for file in (file for file in files if not file.good):
        with pytest.raises(ImageError) as told:
            read_picture(file.path)
        assert file.path.name in str(told.value), file
        assert told.value.hint, file
        assert file.told in told.value.told, file
    assert capfd.readouterr().err == ""


def test_huge_files_are_refused_before_they_are_decoded(files, monkeypatch):
    def decode(*_args, **_options):
        raise AssertionError("decoded")

    monkeypatch.setattr(cv2, "imdecodeWithMetadata", decode)
    monkeypatch.setattr(cv2, "imdecode", decode)
    monkeypatch.setattr(Image, "open", decode)
    huge = [file for file in files if file.told == "--max-megapixels"]
    assert len(huge) >= 8
    for file in huge:
        with pytest.raises(ImageError, match=r"more than the limit of 500"):
            read_picture(file.path)


def test_the_limit_is_exact(files):
    path = next(file.path for file in files if file.path.name == "plain.png")
    assert read_picture(path, max_pixels=48 * 32).rgb.shape == (3, 32, 48)
    with pytest.raises(ImageError, match="48x32 pixels, 1 megapixels") as told:
        read_picture(path, max_pixels=48 * 32 - 1)
    assert told.value.hint.endswith("--max-megapixels 1")


def pixels_of(picture: Picture) -> np.ndarray:
    parts = [picture.rgb.numpy()] + ([picture.alpha.numpy()] if picture.alpha is not None else [])
    return np.concatenate(parts).transpose(1, 2, 0) * 255


def assert_alike(seen: np.ndarray, file: OddFile, tolerance: float) -> None:
    """Compares RGB or RGBA with what a file should contain, where it is not transparent."""
    wanted, grey = file.pixels, file.pixels.shape[2] < 3
    clear = file.pixels.shape[2] in {2, 4}
    assert seen.shape == (*wanted.shape[:2], 4 if clear else 3), file
    weight = wanted[..., -1:] > 0 if clear else 1
    colours = wanted[..., [0, 0, 0]] if grey else wanted[..., :3]
    assert np.abs((seen[..., :3] - colours) * weight).mean() <= tolerance, file
    if clear:
        assert np.abs(seen[..., 3] - wanted[..., -1]).mean() <= tolerance, file


def kept_in(metadata) -> set[str]:
    return {part for part in ("exif", "xmp", "icc", "iptc", "dpi") if getattr(metadata, part)}


def by_pillow(path) -> tuple[np.ndarray, dict]:
    """Returns what Pillow sees of a file: RGB or RGBA, and metadata."""
    with opened(path) as image:
        mode = image.mode
        if mode == "I;16":
            pixels = np.asarray(image)[..., None].repeat(3, 2) / 257
        else:
            clear = mode in {"LA", "RGBA"} or "transparency" in image.info
            pixels = np.asarray(image.convert("RGBA" if clear else "RGB"), float)
        info, exif = {}, image.getexif()
        if 0x010F in exif:
            inner = exif.get_ifd(0x8769)
            size = (inner[0xA002], inner[0xA003]) if 0xA002 in inner else image.size
            info["exif"] = {"maker": exif[0x010F], "orientation": exif.get(0x0112, 1), "size": size}
        elif len(exif):
            info["exif"] = dict(exif)
        xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
        if xmp:
            info["xmp"] = xmp if isinstance(xmp, bytes) else xmp.encode()
        if "icc_profile" in image.info:
            info["icc"] = image.info["icc_profile"]
        if "dpi" in image.info:
            info["dpi"] = tuple(round(float(value)) for value in image.info["dpi"])
        records = IptcImagePlugin.getiptcinfo(image) or {}
        if (2, 5) in records:
            info["iptc"] = records[2, 5]
    return pixels, info


def opened(path) -> Image.Image:
    if path.suffix in {".heic", ".heif"}:
        import pillow_heif

        return pillow_heif.open_heif(io.BytesIO(path.read_bytes())).to_pillow()
    if path.suffix == ".jxl":
        import pillow_jxl

        assert pillow_jxl
    image = Image.open(path)
    if path.suffix == ".jxl":  # whose XMP Pillow's plugin does not read
        image.info["xmp"] = read_picture(path).metadata.xmp
        assert image.info["xmp"] in path.read_bytes()
    return image
