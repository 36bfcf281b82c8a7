"""Reads and writes image files as tensors; anything that a format cannot keep is reported.

Pixels are float32 RGB in [0, 1]. Alpha, depth, greyscale, EXIF, XMP, IPTC, ICC profile and
density are preserved.
"""

import cv2

from toolkit.images.encoding import Encoding, check_encoding, possible
from toolkit.images.picture import Metadata, Picture
from toolkit.images.reading import MAX_PIXELS, read_picture, read_rgb
from toolkit.images.resizing import bicubic_resize, bicubic_rows
from toolkit.images.writing import why_too_large, write_picture, write_strips
from toolkit.images.xmp import Note, with_note

__all__ = [
    "MAX_PIXELS",
    "Encoding",
    "Metadata",
    "Note",
    "Picture",
    "bicubic_resize",
    "bicubic_rows",
    "check_encoding",
    "possible",
    "read_picture",
    "read_rgb",
    "why_too_large",
    "with_note",
    "write_picture",
    "write_strips",
]

# Decoding errors are raised as ImageError; OpenCV would print them, too.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
