"""Reads and writes image files as tensors; anything that a format cannot keep is reported.

Pixels are float32 RGB in [0, 1]. Alpha, 16-bit depth, greyscale, EXIF, XMP, ICC profile and density
are preserved.
"""

import cv2

from toolkit.images.picture import Metadata, Picture
from toolkit.images.reading import read_picture, read_rgb
from toolkit.images.resizing import bicubic_resize, bicubic_rows
from toolkit.images.writing import why_too_large, write_picture

__all__ = [
    "Metadata",
    "Picture",
    "bicubic_resize",
    "bicubic_rows",
    "read_picture",
    "read_rgb",
    "why_too_large",
    "write_picture",
]

# Decoding errors are raised as ImageError; OpenCV would print them, too.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
