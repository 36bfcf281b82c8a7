"""Pixels and metadata of odd files."""

import io
import struct

import numpy as np
from PIL import Image
from PIL.ImageCms import ImageCmsProfile, createProfile

WIDTH, HEIGHT = 48, 32
Y, X = np.mgrid[:HEIGHT, :WIDTH]
RAMP = np.stack([X * 5, Y * 7, 255 - X * 5], 2).astype(np.uint8)
"""Smooth, so that lossy formats keep it, and different in every orientation."""
ALPHA = (X + Y).astype(np.uint8) * 3 + 10
MAKER, TITLE, DPI = "Maker", b"A title", (300, 300)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    b'dc:format="x"/></rdf:RDF></x:xmpmeta>'
)


def encoded(image, kind, **settings) -> bytes:
    """Encodes an array or a Pillow image by Pillow."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def exif(orientation=1, thumbnail=False) -> bytes:
    """EXIF with a maker, a size, and at wish an orientation and a thumbnail."""
    told = Image.Exif()
    told[0x010F], told[0x0112] = MAKER, orientation
    told.get_ifd(0x8769).update({0xA002: WIDTH, 0xA003: HEIGHT})
    data = told.tobytes()
    if not thumbnail:
        return data
    small = encoded(RAMP[::4, ::4].copy(), "JPEG")
    return _with_thumbnail(data.removeprefix(b"Exif\0\0"), small)


def _with_thumbnail(data: bytes, small: bytes) -> bytes:
    """Appends a second directory with a thumbnail to EXIF in big-endian order."""
    count = int.from_bytes(data[8:10], "big")
    link = 10 + 12 * count
    start = len(data) + len(data) % 2
    body = (2).to_bytes(2, "big")
    for tag, value in ((0x0201, start + 30), (0x0202, len(small))):
        body += tag.to_bytes(2, "big") + (4).to_bytes(2, "big") + (1).to_bytes(4, "big")
        body += value.to_bytes(4, "big")
    body += bytes(4)
    head = data[:link] + start.to_bytes(4, "big") + data[link + 4 :]
    return b"Exif\0\0" + head.ljust(start, b"\0") + body + small


def upright(pixels, orientation):
    """Turns pixels as a viewer does."""
    turns = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE"}
    turns |= {6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90"}
    if orientation == 1:
        return pixels
    return np.asarray(Image.fromarray(pixels).transpose(Image.Transpose[turns[orientation]]))


def decoded(data, mode):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert(mode))


def icc_profile() -> bytes:
    """A profile under which red is stored as blue, and blue as red."""
    srgb = ImageCmsProfile(createProfile("sRGB")).tobytes()
    srgb = srgb[:24] + bytes(12) + srgb[36:]  # without the time of its creation
    return srgb.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")


def with_iptc(jpeg: bytes, title: bytes) -> bytes:
    """Adds an IPTC title to a JPEG file, beside another resource of Photoshop."""
    records = b"\x1c\x02\x05" + len(title).to_bytes(2, "big") + title
    body = b"Photoshop 3.0\0"
    for number, content in ((0x03ED, bytes(16)), (0x0404, records)):
        body += b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content
        body += b"\0" * (len(content) % 2)
    return jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
