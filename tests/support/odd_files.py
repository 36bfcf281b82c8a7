"""About a hundred image files as people have them: of every kind, and broken in every way."""

import functools
import io
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from odd_broken import broken
from odd_parts import (
    ALPHA,
    DPI,
    HEIGHT,
    MAKER,
    RAMP,
    TITLE,
    WIDTH,
    XMP,
    X,
    decoded,
    encoded,
    exif,
    icc_profile,
    upright,
    with_iptc,
)
from PIL import Image, PngImagePlugin

EVERYTHING = frozenset({"exif", "xmp", "icc", "iptc", "dpi"})


@dataclass(frozen=True)
class OddFile:
    """A file, and what to expect of it.

    Attributes:
        path: Where it is.
        good: Whether it can be read.
        pixels: Upright, `[h, w, c]`, with alpha as the last of 2 or 4 channels, in levels of 8
            bits; float. None for broken files.
        tolerance: Mean difference that is due to the format, in levels.
        bits: Bits per channel.
        kept: Which of `EVERYTHING` it contains. Files of tifffile have EXIF with its name.
        told: Part of the note or of the error message; empty if there is none.
    """

    path: Path
    good: bool = True
    pixels: np.ndarray | None = field(default=None, repr=False)
    tolerance: float = 0.01
    bits: int = 8
    kept: frozenset[str] = frozenset()
    told: str = ""


def odd_files(folder: Path) -> list[OddFile]:
    """Writes the files into a folder; those of libraries that are not installed are left out."""
    made = []
    for name, (content, expected) in _odd_files().items():
        path = folder / name
        path.write_bytes(content)
        made.append(replace(expected, path=path))
    return made


@functools.cache
def _odd_files() -> dict[str, tuple[bytes, OddFile]]:
    files: dict[str, tuple[bytes, OddFile]] = {}

    def add(name, content, pixels, **expected):
        pixels = np.asarray(pixels, float)
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        files[name] = content, OddFile(Path(name), pixels=pixels, **expected)

    for kind in (_jpegs, _pngs, _tiffs, _others, _avifs, _heics, _jxls):
        kind(add)
    sound = {name: content for name, (content, _) in files.items()}
    for name, (content, told) in broken(sound).items():
        files[name] = content, OddFile(Path(name), good=False, told=told)
    return files


def _jpegs(add):
    grey = RAMP[..., 0]
    for name, settings in {
        "plain.jpg": {"quality": 90, "subsampling": 0},
        "small.JPG": {"quality": 60},
        "progressive.jpeg": {"quality": 90, "progressive": True},
        "restarts.jpe": {"quality": 90, "restart_marker_blocks": 2},
    }.items():
        add(name, encoded(RAMP, "JPEG", **settings), RAMP, tolerance=4)
    add("trailing.jfif", encoded(RAMP, "JPEG", quality=95) + b"more", RAMP, tolerance=3)
    add("grey.jpg", encoded(grey, "JPEG", quality=95), grey, tolerance=2)
    add("no suffix", encoded(RAMP, "JPEG", quality=95), RAMP, tolerance=3)
    add("really a jpeg.png", encoded(RAMP, "JPEG", quality=95), RAMP, tolerance=3)
    inks = Image.fromarray(RAMP).convert("CMYK")
    add("inks.jpg", encoded(inks, "JPEG", quality=95), RAMP, tolerance=3, told="CMYK")
    two = {"save_all": True, "append_images": [Image.fromarray(RAMP[::-1].copy())], "quality": 95}
    add("two pictures.jpg", encoded(RAMP, "MPO", **two), RAMP, tolerance=3, told="gain map")
    for turn in range(1, 9):
        data = encoded(RAMP, "JPEG", quality=95, exif=exif(turn))
        told = frozenset({"exif"})
        add(f"turned {turn}.jpg", data, upright(RAMP, turn), tolerance=3, kept=told)
    told = {"exif": exif(6, thumbnail=True), "xmp": XMP, "icc_profile": icc_profile(), "dpi": DPI}
    data = with_iptc(encoded(RAMP, "JPEG", quality=95, **told), TITLE)
    add("everything.jpg", data, upright(RAMP, 6), tolerance=3, kept=EVERYTHING)


def _pngs(add):
    import cv2

    deep = RAMP.astype(np.uint16) * 257 + X[..., None].astype(np.uint16)
    both = np.dstack([RAMP, ALPHA])
    add("plain.png", encoded(RAMP, "PNG"), RAMP)
    add("clear.png", encoded(both, "PNG"), both)
    add("grey.png", encoded(RAMP[..., 0], "PNG"), RAMP[..., 0])
    grey_clear = np.dstack([RAMP[..., 0], ALPHA])
    add("grey and clear.png", encoded(grey_clear, "PNG"), grey_clear)
    add("deep grey.png", encoded(deep[..., 0], "PNG"), deep[..., 0] / 257, bits=16)
    deep_clear = np.dstack([deep, deep[..., 0]])
    for name, pixels in {"deep.png": deep, "deep and clear.png": deep_clear}.items():
        data = cv2.imencode(".png", pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])[1].tobytes()
        add(name, data, pixels / 257, bits=16)
    one = Image.fromarray(RAMP[..., 0]).convert("1")
    add("one bit.png", encoded(one, "PNG"), one.convert("L"))
    palette = Image.fromarray(RAMP).quantize(40)
    add("palette.png", encoded(palette, "PNG"), palette.convert("RGB"))
    clear = encoded(palette, "PNG", transparency=palette.getpixel((0, 0)))
    add("palette and clear.png", clear, decoded(clear, "RGBA"))
    add("four colours.png", encoded(Image.fromarray(RAMP).quantize(4), "PNG", bits=2),
        Image.fromarray(RAMP).quantize(4).convert("RGB"))  # fmt: skip
    keyed = encoded(RAMP, "PNG", transparency=tuple(map(int, RAMP[0, 0])))
    add("key colour.png", keyed, decoded(keyed, "RGBA"))
    frames = {"save_all": True, "append_images": [Image.fromarray(RAMP[::-1].copy())]}
    add("animated.png", encoded(RAMP, "PNG", **frames), RAMP, told="first of 2")
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    told = {"exif": exif(8), "pnginfo": text, "icc_profile": icc_profile(), "dpi": DPI}
    data = encoded(RAMP, "PNG", **told)
    add("everything.png", data, upright(RAMP, 8), kept=EVERYTHING - {"iptc"})


def _tiffs(add):
    import tifffile

    deep = RAMP.astype(np.uint16) * 257

    def tiff(pixels, **told):
        file = io.BytesIO()
        tifffile.imwrite(file, pixels, **told)
        return file.getvalue()

    add("plain.tif", encoded(RAMP, "TIFF", compression="tiff_lzw"), RAMP)
    four = np.dstack([deep, deep[..., 0]])
    told = {"photometric": "rgb", "extrasamples": ["unassalpha"], "byteorder": ">"}
    software = frozenset({"exif"})
    add("deep and clear.tiff", tiff(four, **told), four / 257, bits=16, kept=software)
    two = np.ascontiguousarray(np.dstack([deep[..., 0], ALPHA.astype(np.uint16) * 257]))
    told = {"photometric": "minisblack", "extrasamples": ["unassalpha"]}
    add("deep grey and clear.tif", tiff(two, **told), two / 257, bits=16, kept=software)
    one = Image.fromarray(RAMP[..., 0]).convert("1")
    add("fax.tif", encoded(one, "TIFF", compression="group4"), one.convert("L"))
    palette = Image.fromarray(RAMP).quantize(40)
    add("palette.tif", encoded(palette, "TIFF"), palette.convert("RGB"))
    add("inks.tif", encoded(Image.fromarray(RAMP).convert("CMYK"), "TIFF"), RAMP, told="CMYK")
    pages = {"save_all": True, "append_images": [Image.fromarray(RAMP[::-1].copy())]}
    add("pages.tif", encoded(RAMP, "TIFF", **pages), RAMP, told="first of 2")
    lab = np.full((8, 9, 3), (128, 20, 30), np.uint8)
    lab = tiff(lab, photometric="cielab")
    rgb = np.full((8, 9, 3), (161, 106, 69))  # by LittleCMS
    add("lab.tif", lab, rgb, tolerance=1.2, kept=software, told="Lab")
    records = b"\x1c\x02\x05" + len(TITLE).to_bytes(2, "big") + TITLE
    tags = {700: XMP, 34675: icc_profile(), 33723: records, 0x010F: MAKER, 0x0112: 3}
    data = encoded(RAMP, "TIFF", tiffinfo=tags, dpi=DPI)
    add("everything.tif", data, upright(RAMP, 3), kept=EVERYTHING)


def _others(add):
    both = np.dstack([RAMP, ALPHA])
    frames = {"save_all": True, "append_images": [Image.fromarray(RAMP[::-1].copy())]}
    add("plain.webp", encoded(RAMP, "WEBP", quality=95), RAMP, tolerance=4)
    add("clear.webp", encoded(both, "WEBP", lossless=True, exact=True), both)
    told = {"exif": exif(5), "xmp": XMP, "icc_profile": icc_profile()}
    data = encoded(RAMP, "WEBP", quality=95, **told)
    kept = EVERYTHING - {"iptc", "dpi"}
    add("everything.webp", data, upright(RAMP, 5), tolerance=4, kept=kept)
    data = encoded(RAMP, "WEBP", lossless=True, **frames)
    add("animated.webp", data, RAMP, told="first of 2")
    palette = Image.fromarray(RAMP).quantize(40)
    add("plain.gif", encoded(palette, "GIF"), palette.convert("RGB"))
    clear = encoded(palette, "GIF", transparency=palette.getpixel((0, 0)))
    add("clear.gif", clear, decoded(clear, "RGBA"))
    data = encoded(palette, "GIF", save_all=True, append_images=[palette.rotate(180)])
    add("animated.gif", data, decoded(data, "RGB"), told="first of 2")
    dense = frozenset({"dpi"})
    add("plain.bmp", encoded(RAMP, "BMP", dpi=DPI), RAMP, kept=dense)
    add("palette.bmp", encoded(palette, "BMP", dpi=DPI), palette.convert("RGB"), kept=dense)
    one = Image.fromarray(RAMP[..., 0]).convert("1")
    add("one bit.bmp", encoded(one, "BMP", dpi=DPI), one.convert("L"), kept=dense)
    add("plain.jp2", encoded(RAMP, "JPEG2000"), RAMP)


def _avifs(add):
    import cv2

    both = np.dstack([RAMP, ALPHA])
    frames = {"save_all": True, "append_images": [Image.fromarray(RAMP[::-1].copy())]}
    fine = {"quality": 95, "subsampling": "4:4:4"}
    add("plain.avif", encoded(RAMP, "AVIF", **fine), RAMP, tolerance=4)
    add("clear.avif", encoded(both, "AVIF", **fine), both, tolerance=4)
    add("grey.avif", encoded(RAMP[..., 0], "AVIF", quality=95), RAMP[..., 0], tolerance=4)
    data = encoded(RAMP, "AVIF", **fine, **frames)
    add("animated.avif", data, RAMP, tolerance=4, told="first of 2")
    told = {"exif": exif(7), "xmp": XMP, "icc_profile": icc_profile()}
    kept = EVERYTHING - {"iptc", "dpi"}
    data = encoded(RAMP, "AVIF", **fine, **told)
    add("everything.avif", data, upright(RAMP, 7), tolerance=4, kept=kept)
    for bits in (10, 12):
        deep = RAMP.astype(np.uint16) << (bits - 8)
        settings = [cv2.IMWRITE_AVIF_DEPTH, bits, cv2.IMWRITE_AVIF_QUALITY, 100]
        data = cv2.imencode(".avif", deep[..., ::-1].copy(), settings)[1].tobytes()
        add(f"{bits} bits.avif", data, deep * (255 / (2**bits - 1)), bits=bits)


def _heics(add):
    if not find_spec("pillow_heif"):
        return
    import pillow_heif

    def heic(mode, pixels, **told):
        file = io.BytesIO()
        size = pixels.shape[1::-1]
        pillow_heif.encode(mode, size, pixels.tobytes(), file, quality=95, chroma=444, **told)
        return file.getvalue()

    add("plain.heic", heic("RGB", RAMP), RAMP, tolerance=2)
    both = np.dstack([RAMP, ALPHA])
    add("clear.HEIC", heic("RGBA", both), both, tolerance=2)
    add("grey.heif", heic("L", RAMP[..., 0]), RAMP[..., 0], tolerance=2)
    deep = RAMP.astype(np.uint16) << 8
    add("10 bits.heic", heic("RGB;16", deep), deep / 257, tolerance=2, bits=10)
    add("really a heic.jpg", heic("RGB", RAMP), RAMP, tolerance=2)
    two = pillow_heif.from_bytes("RGB", (WIDTH, HEIGHT), RAMP.tobytes())
    two.add_frombytes("RGB", (WIDTH, HEIGHT), RAMP[::-1].tobytes())
    file = io.BytesIO()
    two.save(file, quality=95, chroma=444)
    add("two pictures.heic", file.getvalue(), RAMP, tolerance=2, told="first of 2")
    told = {"exif": exif(6), "xmp": XMP, "icc_profile": icc_profile()}
    kept = EVERYTHING - {"iptc", "dpi"}
    add("everything.heic", heic("RGB", RAMP, **told), upright(RAMP, 6), tolerance=2, kept=kept)


def _jxls(add):
    if not find_spec("pillow_jxl"):
        return
    from pillow_jxl import Encoder

    def jxl(mode, pixels, **told):
        encoder = Encoder(mode=mode, lossless=True, quality=100, use_container=bool(told))
        height, width = pixels.shape[:2]
        return encoder(pixels.tobytes(), width, height, jpeg_encode=False, **told)

    add("plain.jxl", jxl("RGB", RAMP), RAMP)
    add("clear.jxl", jxl("RGBA", np.dstack([RAMP, ALPHA])), np.dstack([RAMP, ALPHA]))
    add("grey.jxl", jxl("L", RAMP[..., 0].copy()), RAMP[..., 0])
    for compress in (False, True):
        told = {"exif": bytes(4) + exif().removeprefix(b"Exif\0\0"), "xmp": XMP}
        data = jxl("RGB", RAMP, compress=compress, **told)
        kept = frozenset({"exif", "xmp"})
        add(f"{'packed' if compress else 'everything'}.jxl", data, RAMP, kept=kept)
    whole = encoded(RAMP, "JPEG", quality=95, exif=exif(6), icc_profile=icc_profile())
    packed = Encoder(mode="RGB", lossless=True)(whole, WIDTH, HEIGHT, jpeg_encode=True)
    kept = frozenset({"exif", "icc"})
    add("a jpeg inside.jxl", packed, upright(RAMP, 6), tolerance=3, kept=kept)
