"""Pillow, for files that OpenCV does not read."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")


def with_pillow(data: bytes, work: Callable[[Image], T]) -> T | None:
    """Returns what `work` returns for an image file; None if Pillow cannot read it.

    Pillow's warnings about large images and damaged metadata are suppressed.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                return work(image)
    except (
        OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError,
        struct.error, Image.DecompressionBombError,
    ):  # fmt: skip
        return None
