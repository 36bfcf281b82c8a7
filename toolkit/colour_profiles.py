"""Reads photographs of any colour space as sRGB, which the networks are trained on."""

from __future__ import annotations

import io
import logging
import struct
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from toolkit.images import Picture, read_picture

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

_LOG = logging.getLogger(__name__)


def read_photo(path: str | Path, *, data: bytes | None = None, min_side: int = 0) -> Tensor:
    """Reads an image file as an upright, opaque sRGB photograph, for training and scoring.

    Colours are converted by the file's profile, and grey to three channels. Transparent parts are
    blended with white.

    Args:
        path: The file.
        data: Its content, if it lies elsewhere, as in an archive; `path` then only names it.
        min_side: Shorter side to which JPEGs may be reduced; see `read_picture`.

    Returns:
        `[3, h, w]`, float32, in [0, 1].

    Raises:
        ImageError: The file cannot be read; see `read_picture`.
    """
    return as_photo(read_picture(path, data=data, min_side=min_side))


def as_photo(picture: Picture) -> Tensor:
    """Converts a picture to an opaque sRGB photograph, `[3, h, w]` in [0, 1]; see `read_photo`."""
    picture = to_srgb(picture)
    if picture.alpha is None:
        return picture.rgb
    return picture.rgb * picture.alpha + (1 - picture.alpha)


def to_srgb(picture: Picture) -> Picture:
    """Converts a picture from the colour space of its ICC profile, RGB or grey, to sRGB.

    Uses LittleCMS with relative colorimetric intent and black point compensation, like Adobe's
    programs: colours in sRGB's gamut are preserved, others are clipped, and shadows are not
    crushed. Pillow's LittleCMS does not support 16 bits; for these, profiles of curves and a matrix
    are computed in float, and profiles of tables are accurate to 8 bits, without banding.

    Returns:
        The picture without its profile; alpha is unchanged. `rgb`, `[3, h, w]` in [0, 1], is the
        same tensor if there is no profile, if the profile equals sRGB to within one level of 8
        bits, or if it is unusable, which is logged.

    Source: ICC.1:2022, https://www.color.org/specification/ICC.1-2022-05.pdf
    """
    icc = picture.metadata.icc
    if not icc:
        return picture
    bare = replace(picture, metadata=replace(picture.metadata, icc=b""))
    transform = _transform(icc, picture)
    if transform is None or _changes_nothing(transform):
        return bare
    rgb = _computed(picture.rgb, icc) if picture.bits > 8 else None
    if rgb is None:
        rgb = _transformed(picture.rgb, transform)
        if picture.bits > 8:
            rgb += picture.rgb - (picture.rgb * 255).round() / 255
    grey = torch.equal(rgb[0], rgb[1]) and torch.equal(rgb[1], rgb[2])
    return replace(bare, rgb=rgb.clamp_(0, 1), grey=grey)


def _transform(icc: bytes, picture: Picture) -> ImageCmsTransform | None:
    """Builds LittleCMS's transform from the profile to sRGB; None if the profile is unusable."""
    from PIL import ImageCms

    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    if icc[16:20] == b"GRAY" or _has_tables(icc):
        # LittleCMS's precalculation is about eight times as fast, but off by up to 1.5 levels in
        # dark grey, and by 19 at the gamut's edge with tables. It is exact for curves and a matrix.
        flags |= ImageCms.Flags.NOOPTIMIZE
    try:
        return ImageCms.buildTransform(
            io.BytesIO(icc),
            ImageCms.createProfile("sRGB"),
            "L" if picture.grey and icc[16:20] == b"GRAY" else "RGB",
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags,
        )
    except ImageCms.PyCMSError as error:
        message = "%s: its colour profile is unusable (%s); its colours are treated as sRGB"
        _LOG.warning(message, picture.path or "A picture", error)
        return None


def _changes_nothing(transform: ImageCmsTransform) -> bool:
    levels = torch.arange(0, 256, 15) / 255
    probe = levels if transform.input_mode == "L" else torch.cartesian_prod(*[levels] * 3).T
    probe = probe.expand(3, -1)[:, None]
    return bool((_transformed(probe, transform) - probe).abs().max() < 1.5 / 255)


def _transformed(rgb: Tensor, transform: ImageCmsTransform) -> Tensor:
    """Converts `[3, h, w]` with LittleCMS, in 8 bits."""
    from PIL import Image

    pixels = (rgb * 255).round().byte().permute(1, 2, 0).numpy()
    grey = transform.input_mode == "L"
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if grey else pixels))
    converted = np.array(transform.apply(image)).transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(converted)).float().div_(255)


def _computed(rgb: Tensor, icc: bytes) -> Tensor | None:
    """Converts `[3, h, w]` with the profile's curves and matrix, in float; None if it has none."""
    if icc[20:24] != b"XYZ " or _has_tables(icc):
        return None
    coloured = icc[16:20] == b"RGB "
    try:
        tags, levels = _tags(icc), np.arange(65536) / 65535
        names = (b"rTRC", b"gTRC", b"bTRC") if coloured else (b"kTRC",)
        curves = [torch.from_numpy(_linear(levels, tags[name])).float() for name in names]
        matrix = np.eye(3)
        if coloured:
            matrix = np.linalg.solve(_colorants(_tags(_srgb())), _colorants(tags))
    except (LookupError, ValueError, struct.error):  # LittleCMS may still be able to read it
        return None
    curves *= 3 // len(curves)
    steps = (rgb * 65535).round().int()
    light = torch.stack([curve[step] for curve, step in zip(curves, steps, strict=True)])
    light = torch.einsum("ij,jhw->ihw", torch.from_numpy(matrix).float(), light)
    # Black point compensation; LittleCMS limits the black point to L* = 50.
    black = min(float(_LUMINANCE @ matrix @ [curve[0].item() for curve in curves]), 0.1842)
    light = ((light - black) / (1 - black)).clamp_(0, 1)
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def _has_tables(icc: bytes) -> bool:
    """Whether a profile has tables, which take precedence over curves and matrix."""
    return any(name in icc for name in (b"A2B0", b"A2B1", b"D2B0", b"D2B1"))


def _srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _tags(icc: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", icc, 128)
    entries = [struct.unpack_from(">4sII", icc, 132 + 12 * i) for i in range(count)]
    return {name: icc[start : start + size] for name, start, size in entries}


def _colorants(tags: dict[bytes, bytes]) -> np.ndarray[Any, Any]:
    """Returns the primaries' XYZ under D50 as columns."""
    return np.stack([_fixed(tags[name][8:20]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], axis=1)


def _fixed(data: bytes) -> np.ndarray[Any, Any]:
    numbers: np.ndarray[Any, Any] = np.frombuffer(data, ">i4") / 65536
    return numbers


def _linear(values: np.ndarray[Any, Any], curve: bytes) -> np.ndarray[Any, Any]:
    """Linearises encoded values with a `curv` or `para` tag; both are in [0, 1]."""
    if curve[:4] == b"curv":
        (count,) = struct.unpack_from(">I", curve, 8)
        table = np.frombuffer(curve, ">u2", count, 12)
        if count > 1:
            return np.array(np.interp(values, np.linspace(0, 1, count), table / 65535))
        return np.array(values ** (table[0] / 256 if count else 1))
    (kind,) = struct.unpack_from(">H", curve, 8)
    count = _PARAMETERS[kind]
    g, a, b, c, d, e, f = _fixed(curve[12 : 12 + 4 * count]).tolist() + _IDENTITY[count:]
    if kind in {1, 2}:  # c is a global offset, and the power law starts at -b / a
        c, d, e, f = 0.0, -b / a if a else 0.0, c, c
    with np.errstate(all="ignore"):
        bent = np.maximum(a * values + b, 0) ** g + e
    light = np.where(values < d, c * values + f, bent)
    return np.array(np.nan_to_num(light).clip(0, 1))


_IDENTITY = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
"""Default g, a, b, c, d, e, f of `(a x + b)^g + e`, or `c x + f` below d."""
_PARAMETERS = (1, 3, 4, 5, 7)
"""Number of parameters of a `para` curve, by its kind."""
