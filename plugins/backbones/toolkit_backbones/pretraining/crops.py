"""Random crops of photographs that stay in the device's memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import toolkit
from toolkit.interfaces import Dataset
from toolkit.specs import Selection
from toolkit.streams import stream

_SMALLEST_SCALE = 0.5


class Crops:
    """Square crops at random scales, flipped at random; a (seed, step) always gives the same.

    Args:
        photos: Photographs, each `[3, h, w]`, in bytes.
        size: Side of a crop in pixels.
        device: Where the photographs are kept and the crops are cut.
    """

    def __init__(self, photos: list[Tensor], size: int, device: torch.device) -> None:
        self._photos = [photo.to(device) for photo in photos if min(photo.shape[1:]) >= size]
        areas = np.array([photo.shape[1] * photo.shape[2] for photo in self._photos], dtype=float)
        self._shares = areas / areas.sum()
        self._size = size

    def batch(self, seed: int, step: int, count: int) -> Tensor:
        """`[count, 3, size, size]`, in [-1, 1]."""
        rng = stream(seed, "crops", step)
        chosen = rng.choice(len(self._photos), count, p=self._shares)
        return torch.stack([self._crop(self._photos[index], rng) for index in chosen])

    def _crop(self, photo: Tensor, rng: np.random.Generator) -> Tensor:
        height, width = photo.shape[1:]
        largest = min(self._size / _SMALLEST_SCALE, height, width)
        side = int(rng.uniform(self._size, largest)) if rng.random() < 0.5 else self._size
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        crop = photo[:, top : top + side, left : left + side].float() / 127.5 - 1
        if side != self._size:
            shrunk = F.interpolate(
                crop[None], (self._size, self._size), mode="bicubic", antialias=True
            )
            crop = shrunk[0].clamp(-1, 1)
        return crop.flip(2) if rng.random() < 0.5 else crop


def load_photos(folder: Path | None) -> list[Tensor]:
    """The photographs of a folder, or the shipped training photographs, in bytes."""
    chosen = Selection(use="folder", options={"folder": folder}) if folder else "photos"
    source: Dataset = toolkit.make("dataset", chosen)
    return [(source[i].hr * 255).round().to(torch.uint8) for i in range(len(source))]
