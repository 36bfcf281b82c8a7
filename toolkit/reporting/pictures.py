"""Images as `data:` addresses, so that a page holds everything."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

_QUALITY = 90
_SIDE = 1600
"""Longest side of a sheet in pixels; larger ones are reduced."""
_SHEETS = 40
"""Largest number of sheets in a page."""
_BYTES = 6_000_000
"""Size of all sheets in a page, about; there are fewer of large ones, but at least `_FEWEST`."""
_FEWEST = 6
T = TypeVar("T")

_NAME = re.compile(r"step-(\d+)")


@dataclass(frozen=True)
class Sheet:
    """A sheet of samples.

    Attributes:
        step: The step after which it was made.
        address: The image, as a `data:` address.
        width: In pixels.
        height: In pixels.
    """

    step: int
    address: str
    width: int
    height: int

    @property
    def data(self) -> dict[str, object]:
        """What the page's slider needs of it."""
        return {"step": self.step, "address": self.address}


def address_of(pixels: np.ndarray) -> str:
    """Encodes an image, `[h, w, 3]` in BGR of 8 bits, as JPEG in a `data:` address."""
    full_colour = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    _, data = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY, *full_colour))
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def sheets_in(folder: Path) -> list[Sheet]:
    """Returns sheets of samples, evenly spaced, with the first and the last; none if unreadable."""
    found = sorted(
        (int(match[1]), path)
        for path in (folder.glob("step-*.png") if folder.is_dir() else ())
        if (match := _NAME.match(path.name))
    )
    last = None
    while found and last is None:  # the newest may be half written
        last = _sheet(*found[-1])
        if last is None:
            found.pop()
    if last is None:
        return []
    count = max(_FEWEST, min(_SHEETS, _BYTES // len(last.address)))
    chosen = [_sheet(*each) for each in evenly_spaced(found, count)[:-1]]
    return [*filter(None, chosen), last]


def evenly_spaced(items: list[T], count: int) -> list[T]:
    """Returns at most `count` items, at least 2, the first and the last among them.

    Example:
        >>> evenly_spaced([1, 2, 3, 4, 5, 6, 7], 3)
        [1, 4, 7]
    """
    if len(items) <= count:
        return items
    return [items[round(k * (len(items) - 1) / (count - 1))] for k in range(count)]


def _sheet(step: int, path: Path) -> Sheet | None:
    data = np.fromfile(path, np.uint8)  # cv2.imread does not take every name on Windows
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    if (share := _SIDE / max(height, width)) < 1:
        size = max(1, round(width * share)), max(1, round(height * share))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return Sheet(step, address_of(pixels), width, height)
