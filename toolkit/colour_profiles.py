"""Photographs of any colour space, read as sRGB: what networks are trained on."""

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


def read_photo(path: str | Path) -> Tensor:
    """Reads an image file as a photograph to train on: upright, opaque, sRGB.

    Colours are converted by the file's profile, grey becomes three channels, and transparent parts
    are laid on white, since their own colours are arbitrary.

    Returns:
        `[3, h, w]`, float32, in [0, 1].

    Raises:
        ImageError: As `read_picture`.
    """
    return as_photo(read_picture(path))


def as_photo(picture: Picture) -> Tensor:
    """A picture as `read_photo` gives it, `[3, h, w]` in [0, 1]."""
    picture = to_srgb(picture)
    if picture.alpha is None:
        return picture.rgb
    return picture.rgb * picture.alpha + (1 - picture.alpha)


def to_srgb(picture: Picture) -> Picture:
    """Converts a picture's colours from those of its ICC profile, RGB or grey, to sRGB.

    LittleCMS does it, relative colorimetric with black point compensation, the default of Adobe's
    programs: colours that sRGB holds stay as they are, others are clipped, shadows are not. With 16
    bits, which Pillow's LittleCMS does not take, a profile of curves and a matrix is computed in
    float; one of tables has 8 bits' accuracy, but keeps all gradations.

    Returns:
        The picture without a profile. Its `rgb`, `[3, h, w]` in [0, 1], is the very same tensor
        where there is no profile, where it is sRGB's to within one level of 8 bits, and where it
        is damaged or for other channels, which is logged. Alpha is left alone.

    Source: ICC.1:2022, https://www.color.org/specification/ICC.1-2022-05.pdf
    """
    icc = picture.metadata.icc
    if not icc:
        return picture
    bare = replace(picture, metadata=replace(picture.metadata, icc=b""))
    transform = _transform(icc, picture)
    if transform is None or _changes_nothing(transform):
        return bare
    rgb = _computed(picture.rgb, icc) if picture.bits == 16 else None
    if rgb is None:
        rgb = _transformed(picture.rgb, transform)
        if picture.bits == 16:
            rgb += picture.rgb - (picture.rgb * 255).round() / 255
    grey = torch.equal(rgb[0], rgb[1]) and torch.equal(rgb[1], rgb[2])
    return replace(bare, rgb=rgb.clamp_(0, 1), grey=grey)


def _transform(icc: bytes, picture: Picture) -> ImageCmsTransform | None:
    """LittleCMS's way from the profile to sRGB; None where the profile does not allow one."""
    from PIL import ImageCms

    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    if icc[16:20] == b"GRAY" or _has_tables(icc):
        # What LittleCMS calculates beforehand is some eight times as fast, but up to 1.5 levels
        # off in dark grey, 19 with tables at the gamut's edge. For curves and matrix it is right.
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
        told = "%s: its colour profile is of no use (%s), its colours are taken for sRGB"
        _LOG.warning(told, picture.path or "A picture", error)
        return None


def _changes_nothing(transform: ImageCmsTransform) -> bool:
    levels = torch.arange(0, 256, 15) / 255
    probe = levels if transform.input_mode == "L" else torch.cartesian_prod(*[levels] * 3).T
    probe = probe.expand(3, -1)[:, None]
    return bool((_transformed(probe, transform) - probe).abs().max() < 1.5 / 255)


def _transformed(rgb: Tensor, transform: ImageCmsTransform) -> Tensor:
    """`[3, h, w]` by LittleCMS, in 8 bits."""
    from PIL import Image

    pixels = (rgb * 255).round().byte().permute(1, 2, 0).numpy()
    grey = transform.input_mode == "L"
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if grey else pixels))
    done = np.array(transform.apply(image)).transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(done)).float().div_(255)


def _computed(rgb: Tensor, icc: bytes) -> Tensor | None:
    """`[3, h, w]` by the profile's curves and matrix, in float; None where it has others."""
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
    except (LookupError, ValueError, struct.error):  # LittleCMS may make sense of it all the same
        return None
    curves *= 3 // len(curves)
    steps = (rgb * 65535).round().int()
    light = torch.stack([curve[step] for curve, step in zip(curves, steps, strict=True)])
    light = torch.einsum("ij,jhw->ihw", torch.from_numpy(matrix).float(), light)
    # Black point compensation; LittleCMS takes nothing lighter than L* = 50 for black.
    black = min(float(_LUMINANCE @ matrix @ [curve[0].item() for curve in curves]), 0.1842)
    light = ((light - black) / (1 - black)).clamp_(0, 1)
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def _has_tables(icc: bytes) -> bool:
    """Whether there are tables, which LittleCMS prefers to curves and matrix."""
    return any(name in icc for name in (b"A2B0", b"A2B1", b"D2B0", b"D2B1"))


def _srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _tags(icc: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", icc, 128)
    entries = [struct.unpack_from(">4sII", icc, 132 + 12 * i) for i in range(count)]
    return {name: icc[start : start + size] for name, start, size in entries}


def _colorants(tags: dict[bytes, bytes]) -> np.ndarray[Any, Any]:
    """XYZ of the primaries under D50, a column each."""
    return np.stack([_fixed(tags[name][8:20]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], axis=1)


def _fixed(data: bytes) -> np.ndarray[Any, Any]:
    numbers: np.ndarray[Any, Any] = np.frombuffer(data, ">i4") / 65536
    return numbers


def _linear(values: np.ndarray[Any, Any], curve: bytes) -> np.ndarray[Any, Any]:
    """Light of encoded values, both in [0, 1], by a `curv` or a `para` tag."""
    if curve[:4] == b"curv":
        (count,) = struct.unpack_from(">I", curve, 8)
        table = np.frombuffer(curve, ">u2", count, 12)
        if count > 1:
            return np.array(np.interp(values, np.linspace(0, 1, count), table / 65535))
        return np.array(values ** (table[0] / 256 if count else 1))
    (kind,) = struct.unpack_from(">H", curve, 8)
    count = _PARAMETERS[kind]
    g, a, b, c, d, e, f = _fixed(curve[12 : 12 + 4 * count]).tolist() + _PLAIN[count:]
    if kind in {1, 2}:  # c is an offset everywhere, and a and b say where the power begins
        c, d, e, f = 0.0, -b / a if a else 0.0, c, c
    with np.errstate(all="ignore"):
        bent = np.maximum(a * values + b, 0) ** g + e
    light = np.where(values < d, c * values + f, bent)
    return np.array(np.nan_to_num(light).clip(0, 1))


_PLAIN = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
"""g, a, b, c, d, e, f of `(a x + b)^g + e`, below d `c x + f`, that change nothing."""
_PARAMETERS = (1, 3, 4, 5, 7)
"""How many a `para` curve of each kind has."""
