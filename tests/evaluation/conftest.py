"""Images to score."""

import cv2
import numpy as np
import pytest
from PIL import ImageCms


@pytest.fixture
def wide_profile():
    """A colour profile that is far from sRGB: its red is sRGB's green, and the other way round."""
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return icc.replace(b"rXYZ", b"....").replace(b"gXYZ", b"rXYZ").replace(b"....", b"gXYZ")


@pytest.fixture
def folders(tmp_path):
    """Three grey images of 12 x 16 pixels, restored a bit darker."""
    for folder, shift in (("hr", 0), ("sr", 8)):
        (tmp_path / folder).mkdir()
        for place, name in enumerate("abc"):
            pixels = np.full((12, 16, 3), 40 + 50 * place - shift, np.uint8)
            cv2.imwrite(str(tmp_path / folder / f"{name}.png"), pixels)
    return tmp_path / "sr", tmp_path / "hr"
