"""Conversion of CMYK and Lab to sRGB, which the networks expect."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from toolkit.images.picture import Pixels

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

_FROM_XYZ = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ],
    np.float32,
)
"""XYZ (D50) to linear sRGB, with Bradford adaptation, from brucelindbloom.com."""
_WHITE = np.array([0.96422, 1.0, 0.82521], np.float32)
_ROWS = 256
"""Rows converted at a time, to save memory."""


def cmyk_to_rgb(cmyk: Pixels, icc: bytes) -> tuple[Pixels, str]:
    """Converts CMYK by its profile, or by a simple formula if that is missing or unusable.

    Args:
        cmyk: `[h, w, 4]`, 8 bits, 255 for full ink.
        icc: The file's profile.

    Returns:
        RGB, `[h, w, 3]`, 8 bits, and a note on the conversion.
    """
    if icc[16:20] == b"CMYK":
        from PIL import Image, ImageCms

        try:
            transform = _transform_to_srgb(icc, "CMYK")
        except ImageCms.PyCMSError:
            pass
        else:
            inks = Image.fromarray(np.ascontiguousarray(cmyk), "CMYK")
            return np.array(transform.apply(inks)), "CMYK was converted to sRGB by its profile"
    light = 255 - cmyk.astype(np.uint16)
    rgb = (light[..., :3] * light[..., 3:] + 127) // 255
    return rgb.astype(np.uint8), "CMYK was converted to RGB without a profile"


def _transform_to_srgb(icc: bytes, mode: str) -> ImageCmsTransform:
    """Builds the transform from a profile; raises `PyCMSError` if it is damaged."""
    from PIL import ImageCms

    return ImageCms.buildTransform(
        io.BytesIO(icc),
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def to_srgb(pixels: Pixels, icc: bytes) -> tuple[Pixels, tuple[str, ...]]:
    """Converts pixels from their profile to sRGB, for formats that are written without profiles.

    Args:
        pixels: `[h, w, c]`, grey, RGB or RGBA, of 8 bits.
        icc: A profile for RGB or grey.

    Returns:
        The pixels, and a note if they changed or the profile could not be used.
    """
    from PIL import Image, ImageCms

    if icc[16:20] != b"RGB " or pixels.shape[2] < 3:
        return pixels, ("the grey colour profile was dropped, as none is written to this format",)
    try:
        transform = _transform_to_srgb(icc, "RGB")
    except ImageCms.PyCMSError:
        return pixels, ("the colour profile was dropped, as it is damaged",)
    rgb = np.ascontiguousarray(pixels[..., :3])
    converted = np.array(transform.apply(Image.fromarray(rgb)))
    if np.abs(converted.astype(np.int16) - rgb).max(initial=0) <= 1:
        return pixels, ()
    note = "colours were converted to sRGB, as no profile is written to this format"
    return np.concatenate([converted, pixels[..., 3:]], axis=2), (note,)


def lab_to_rgb(lab: Pixels, shifted: bool) -> Pixels:
    """Converts CIE L*a*b* under D50 to sRGB, clipped to its gamut.

    Args:
        lab: `[h, w, 3]`, uint8 or uint16, in TIFF's encoding.
        shifted: Whether a* and b* are offset by 128, as in ICCLab, instead of signed.

    Returns:
        RGB, `[h, w, 3]`, of the same dtype.

    Source: TIFF 6.0, section 23; TIFF Technical Note 4 on ICCLab.
    """
    full = np.iinfo(lab.dtype).max
    rgb = np.empty_like(lab)
    for start in range(0, len(lab), _ROWS):
        rows = slice(start, start + _ROWS)
        strip = lab[rows]
        unit = full // 255 if full == 255 else 256
        white = 0xFF00 if shifted and full != 255 else full
        light = strip[..., :1].astype(np.float32) * np.float32(100 / white)
        if shifted:
            ab = strip[..., 1:].astype(np.float32) / np.float32(unit) - 128
        else:
            ab = strip[..., 1:].astype(lab.dtype.newbyteorder("=").str.replace("u", "i"))
            ab = ab.astype(np.float32) / np.float32(unit)
        rgb[rows] = np.rint(_srgb(light, ab) * full).astype(lab.dtype)
    return rgb


def _srgb(light: Pixels, ab: Pixels) -> Pixels:
    """Converts L*, `[h, w, 1]`, and a* and b*, `[h, w, 2]`, to encoded sRGB in [0, 1]."""
    middle = (light + 16) / 116
    roots = np.concatenate([middle + ab[..., :1] / 500, middle, middle - ab[..., 1:] / 200], axis=2)
    xyz = np.where(roots > 6 / 29, roots**3, (roots - 4 / 29) * (108 / 841)) * _WHITE
    linear = (xyz @ _FROM_XYZ.T).clip(0, 1)
    curved: Pixels = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
    )
    return curved
