"""Pictures from images in memory, and back: Pillow's, NumPy arrays, PyTorch tensors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from toolkit.errors import ImageError
from toolkit.images.metadata import take_orientation
from toolkit.images.picture import Metadata, Picture
from toolkit.images.reading import read_picture
from toolkit.images.xmp import upright

if TYPE_CHECKING:
    from PIL.Image import Image

I = TypeVar("I")  # noqa: E741 - an image
_KINDS = "Give a path, a Pillow image, a NumPy array [h, w, 3] or a tensor [3, h, w]"


def picture_of(image: object) -> Picture:
    """Converts an image to a picture.

    Args:
        image: A path; a Pillow image of any mode; a NumPy array `[h, w]`, or `[h, w, c]` with 1
            (grey), 3 (RGB) or 4 (RGB and alpha) channels, uint8, uint16 or float in [0, 1]; or a
            tensor `[3, h, w]` or `[1, h, w]`, float in [0, 1].

    Raises:
        ImageError: It is of another kind, shape or type; or the file cannot be read.
    """
    if isinstance(image, str | Path):
        return read_picture(image)
    if isinstance(image, np.ndarray):
        return _of_array(image)
    if isinstance(image, Tensor):
        return _of_tensor(image)
    from PIL import Image

    if isinstance(image, Image.Image):
        return _of_pillow(image)
    raise ImageError(f"An image cannot be a {type(image).__name__}", _KINDS)


def converted(picture: Picture, like: I) -> I:
    """Converts a picture to an image of the kind of another; of a path, to a Pillow image.

    A Pillow image has 8 bits per channel, or 16 if it is grey and was of 16; it keeps EXIF, XMP,
    profile and density. Arrays and tensors keep their type, channels and device.
    """
    if isinstance(like, np.ndarray):
        return cast("I", _to_array(picture, like))
    if isinstance(like, Tensor):
        rgb = picture.rgb[: like.shape[0]]
        return cast("I", rgb.to(like.device, like.dtype))
    return cast("I", _to_pillow(picture))


def _of_array(array: np.ndarray[Any, Any]) -> Picture:
    pixels: np.ndarray[Any, Any] = array[..., None] if array.ndim == 2 else array
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or not pixels.size:
        raise ImageError(f"A NumPy array of shape {list(array.shape)} is not an image", _KINDS)
    if pixels.dtype.kind == "f":
        values: np.ndarray[Any, Any] = pixels.astype(np.float32)
        bits = 16
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise ImageError("An array of floats has values outside of [0, 1]", "Divide by 255")
    elif pixels.dtype in (np.uint8, np.uint16):
        bits = 8 * pixels.dtype.itemsize
        values = pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
    else:
        raise ImageError(
            f"An array of {pixels.dtype} is not an image", "Convert it to uint8, uint16 or float"
        )
    channels = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))
    return _of_channels(channels, bits)


def _of_channels(channels: Tensor, bits: int) -> Picture:
    """Makes a picture of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 channels (RGB, alpha)."""
    grey = len(channels) < 3
    colours, alpha = (channels[:1], channels[1:]) if grey else (channels[:3], channels[3:])
    rgb = colours.expand(3, -1, -1).contiguous()
    return Picture(rgb=rgb, alpha=alpha if len(alpha) else None, bits=bits, grey=grey)


def _of_tensor(tensor: Tensor) -> Picture:
    if tensor.ndim != 3 or len(tensor) not in (1, 3) or not tensor.numel():
        raise ImageError(f"A tensor of shape {list(tensor.shape)} is not an image", _KINDS)
    if not tensor.is_floating_point():
        raise ImageError(f"A tensor of {tensor.dtype} is not an image", "Divide it by 255")
    pixels = tensor.detach().float().cpu()
    if not (pixels.isfinite().all() and pixels.min() >= 0 and pixels.max() <= 1):
        raise ImageError("A tensor has values outside of [0, 1]", "Divide it by 255, or clamp it")
    return _of_channels(pixels, 16)


def _of_pillow(image: Image) -> Picture:
    from PIL import ImageOps

    metadata = _metadata_of(image)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        return replace(_of_array(np.array(image).astype(np.uint16)), metadata=metadata)
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        transparent = image.has_transparency_data
        image = image.convert("L" if image.mode == "1" else "RGBA" if transparent else "RGB")
    pixels = np.array(image, dtype=np.uint8).reshape(image.height, image.width, -1)
    channels = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    return replace(_of_channels(channels.contiguous(), 8), metadata=metadata)


def _metadata_of(image: Image) -> Metadata:
    orientation, exif = take_orientation(image.getexif().tobytes().removeprefix(b"Exif\0\0"))
    xmp = image.info.get("xmp") or b""
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    return Metadata(
        exif=exif,
        xmp=upright(xmp) if orientation != 1 else xmp,
        icc=image.info.get("icc_profile") or b"",
        dpi=image.info.get("dpi"),
    )


def _to_array(picture: Picture, like: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    parts = [picture.rgb[:1] if picture.grey else picture.rgb]
    parts += [] if picture.alpha is None else [picture.alpha]
    pixels = torch.cat(parts).permute(1, 2, 0).contiguous()
    if like.dtype.kind != "f":
        pixels = (pixels * np.iinfo(like.dtype).max).round()
    array = pixels.numpy().astype(like.dtype)
    return array[..., 0] if like.ndim == 2 else array


def _to_pillow(picture: Picture) -> Image:
    from PIL import Image

    kind: Any = np.uint16 if picture.grey and picture.bits == 16 else np.uint8
    wide = kind is np.uint16 and picture.alpha is None
    pixels = _to_array(picture, np.empty((1, 1, 3), np.uint16 if wide else np.uint8))
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    metadata = picture.metadata
    known = {"exif": metadata.exif, "xmp": metadata.xmp, "icc_profile": metadata.icc}
    image.info.update({name: value for name, value in known.items() if value})
    if metadata.dpi:
        image.info["dpi"] = metadata.dpi
    return image
