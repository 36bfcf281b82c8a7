"""Random crops of photographs in device memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import toolkit
from toolkit.plugin import Dataset, Selection, stream

_MIN_SCALE = 0.5


class Crops:
    """Square crops at random scales, randomly flipped; determined by seed and step.

    Args:
        photos: Photographs, `[3, h, w]`, uint8.
        size: Side of a crop in pixels.
        device: Device of photographs and crops.
    """

    def __init__(self, photos: list[Tensor], size: int, device: torch.device) -> None:
        self._photos = [photo.to(device) for photo in photos if min(photo.shape[1:]) >= size]
        areas = np.array([photo.shape[1] * photo.shape[2] for photo in self._photos], dtype=float)
        self._shares = areas / areas.sum()
        self._size = size

    def batch(self, seed: int, step: int, count: int) -> Tensor:
        """Returns crops, `[count, 3, size, size]`, in [-1, 1]."""
        rng = stream(seed, "crops", step)
        indices = rng.choice(len(self._photos), count, p=self._shares)
        return torch.stack([self._crop(self._photos[index], rng) for index in indices])

    def _crop(self, photo: Tensor, rng: np.random.Generator) -> Tensor:
        height, width = photo.shape[1:]
        largest = min(self._size / _MIN_SCALE, height, width)
        side = int(rng.uniform(self._size, largest)) if rng.random() < 0.5 else self._size
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        crop = photo[:, top : top + side, left : left + side].float() / 127.5 - 1
        if side != self._size:
            resized = F.interpolate(
                crop[None], (self._size, self._size), mode="bicubic", antialias=True
            )
            crop = resized[0].clamp(-1, 1)
        return crop.flip(2) if rng.random() < 0.5 else crop


def load_photos(folder: Path | None) -> list[Tensor]:
    """Loads the photographs in a folder, or the included training photographs, as uint8."""
    selection = Selection(use="folder", options={"folder": folder}) if folder else "photos"
    dataset: Dataset = toolkit.make("dataset", selection)
    return [(dataset[i].hr * 255).round().to(torch.uint8) for i in range(len(dataset))]
