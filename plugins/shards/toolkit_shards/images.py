"""Turns a file's content into a photograph."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.colour_profiles import read_photo
from toolkit.plugin import ImageError

if TYPE_CHECKING:
    from torch import Tensor


def photograph(source: str, name: str, data: bytes, min_side: int = 0) -> Tensor:
    """Decodes a photograph as folders of images are: upright, opaque and in sRGB.

    Args:
        source: Where it comes from, for messages: a shard, a folder.
        name: Its name in there.
        data: Content of the image file.
        min_side: Shorter side to which JPEGs may be reduced while decoding; 0 for full size.

    Returns:
        `[3, h, w]`, in [0, 1].

    Raises:
        ImageError: It is no image, truncated, or of so many pixels that it must be a fraud.
    """
    try:
        _refuse_bomb(name, data)
        return read_photo(Path(name), data=data, min_side=min_side)
    except ImageError as error:
        raise ImageError(f"{source}: {error}", error.hint) from error


def _refuse_bomb(name: str, data: bytes) -> None:
    """Raises if a small file would become gigabytes of pixels, by Pillow's limit."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.open(io.BytesIO(data)).close()
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} is too large: {error}") from error
    except Exception:  # noqa: BLE001 - the toolkit's own reader says what is wrong
        return
