"""Crops of one place of a photograph, from every system, as `data:` addresses for a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from toolkit.image_files import find_images
from toolkit.reporting.pictures import address_of

SIDE = 256
"""Side of a crop in pixels."""
_COUNT = 4
"""Number of photographs in a page."""
_STEP = 32


@dataclass(frozen=True)
class Crops:
    """One place of a photograph.

    Attributes:
        name: The photograph's.
        images: By system, LR and HR among them, the image as a `data:` address.
    """

    name: str
    images: dict[str, str]


def crops(photographs: Path, restored: Mapping[str, Path]) -> list[Crops]:
    """Cuts crops out of some photographs, where the original has most detail.

    Args:
        photographs: Holds `hr/` and `lr/`.
        restored: By label, the folder of a system's images.
    """
    names = [path.relative_to(photographs / "hr") for path in find_images(photographs / "hr")]
    chosen = names[:: max(1, len(names) // _COUNT)][:_COUNT]
    made = []
    for name in chosen:
        hr = _read(photographs / "hr" / name)
        lr = _read(photographs / "lr" / name)
        if hr is None or lr is None:
            continue
        top, left = _place(hr)
        size = hr.shape[1], hr.shape[0]
        images = {"LR, bicubic": cv2.resize(lr, size, interpolation=cv2.INTER_CUBIC)}
        images |= {label: found for label, folder in restored.items()
                   if (found := _read(folder / name)) is not None}  # fmt: skip
        images["HR"] = hr
        cut = {
            label: image[top : top + SIDE, left : left + SIDE] for label, image in images.items()
        }
        addresses = {label: address_of(image) for label, image in cut.items()}
        made.append(Crops(name.as_posix(), addresses))
    return made


def _read(path: Path) -> np.ndarray | None:
    return cv2.imread(str(path)) if path.is_file() else None


def _place(hr: np.ndarray) -> tuple[int, int]:
    """Top and left of the crop with the largest gradients."""
    grey = cv2.cvtColor(hr, cv2.COLOR_BGR2GRAY).astype(np.float32)
    detail = cv2.Sobel(grey, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(grey, cv2.CV_32F, 0, 1) ** 2
    height, width = (max(1, side - SIDE) for side in grey.shape)
    sums = cv2.integral(np.minimum(detail, 1e4))
    places = [(top, left) for top in range(0, height, _STEP) for left in range(0, width, _STEP)]

    def found(place: tuple[int, int]) -> float:
        top, left = place
        bottom, right = min(top + SIDE, grey.shape[0]), min(left + SIDE, grey.shape[1])
        return float(sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left])

    return max(places, key=found)
