"""Broken image files."""

import struct
import zlib

SIDE = 60_000
"""Width and height that huge files claim."""


def broken(sound: dict[str, bytes]) -> dict[str, tuple[bytes, str]]:
    """Returns the content of broken files, and part of the message, by name."""
    files = {
        "empty.jpg": (b"", "empty"),
        "text.png": (b"Dear all, the photograph is in the other mail.", "not an image"),
        "page.jpg": (b"<!DOCTYPE html><html><body>404</body></html>", "not an image"),
        "zeros.jpg": (bytes(1000), "not an image"),
        "no pixels.png": (_png_of(0, 0), "0x0"),
        "photo.psd": (b"8BPS" + bytes(20), "Photoshop"),
        "raw.NEF": (sound["plain.tif"], "camera raw"),
    }
    for name in _CUT & sound.keys():
        data = sound[name]
        files[f"cut {name}"] = data[: int(len(data) * 0.6)], ""
    for name, enlarge in _HUGE.items():
        if name in sound:
            files[f"huge {name}"] = enlarge(sound[name]), "--max-megapixels"
    return files


def _png_of(width: int, height: int) -> bytes:
    content = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", content), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _patched(data: bytes, mark: bytes, offset: int, form: str) -> bytes:
    """Writes the side twice, at an offset from each occurrence of a mark."""
    patched, at = bytearray(data), data.find(mark)
    assert at >= 0
    while at >= 0:
        struct.pack_into(form, patched, at + offset, SIDE // 2, SIDE // 2)
        at = data.find(mark, at + 1)
    return bytes(patched)


def _tiff(data: bytes) -> bytes:
    """Sets width and height in the first directory of a little-endian file."""
    patched = bytearray(data)
    (start,) = struct.unpack_from("<I", data, 4)
    for at in range(start + 2, start + 26, 12):
        struct.pack_into("<HII", patched, at + 2, 4, 1, SIDE // 2)
    return bytes(patched)


def _jxl(_data: bytes) -> bytes:
    """A codestream whose header says 2**15 x 2**15 pixels, in fields of 1 + 18 bits."""
    side = 2 | 2**15 - 1 << 2
    bits = 0 | side << 1 | 0 << 21 | side << 24 | 1 << 44
    return b"\xff\x0a" + bits.to_bytes(8, "little") + bytes(40)


_CUT = {
    "plain.jpg", "progressive.jpeg", "plain.png", "deep.png", "plain.tif", "plain.webp",
    "clear.webp", "plain.gif", "plain.bmp", "plain.jp2", "plain.avif", "plain.heic", "plain.jxl",
}  # fmt: skip
_HUGE = {
    "plain.jpg": lambda data: _patched(data, b"\xff\xc0\0\x11\x08", 5, ">HH"),
    "plain.png": lambda _: _png_of(SIDE // 2, SIDE // 2),
    "plain.gif": lambda data: data[:6] + struct.pack("<HH", SIDE // 2, SIDE // 2) + data[10:],
    "plain.bmp": lambda data: data[:18] + struct.pack("<ii", SIDE // 2, SIDE // 2) + data[26:],
    "plain.tif": _tiff,
    "everything.webp": lambda data: (
        data[:24] + (SIDE // 2 - 1).to_bytes(3, "little") * 2 + data[30:]
    ),
    "plain.jp2": lambda data: _patched(data, b"ihdr", 4, ">II"),
    "plain.avif": lambda data: _patched(data, b"ispe", 8, ">II"),
    "plain.heic": lambda data: _patched(data, b"ispe", 8, ">II"),
    "plain.jxl": _jxl,
}
