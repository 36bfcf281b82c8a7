"""Files to tensors and back, losing nothing that a photographer would miss without a word.

Pixels are float32 RGB in [0, 1]. Alpha, 16 bits, grey, EXIF, XMP, ICC and density travel with them.
"""

import cv2

from toolkit.images.picture import Metadata, Picture
from toolkit.images.reading import read_picture, read_rgb
from toolkit.images.resizing import bicubic_resize
from toolkit.images.writing import why_too_large, write_picture

__all__ = [
    "Metadata",
    "Picture",
    "bicubic_resize",
    "read_picture",
    "read_rgb",
    "why_too_large",
    "write_picture",
]

# What OpenCV would print is raised as an ImageError.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
