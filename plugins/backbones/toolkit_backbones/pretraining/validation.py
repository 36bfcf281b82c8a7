"""Figures of a restorer on photographs that it was not trained on, to choose settings by."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from toolkit.degrading.samples import degrade
from toolkit.interfaces import Restorer
from toolkit.registry import Registry
from toolkit.specs import Selection

DEGRADATIONS = ("realesrgan", "bicubic")
METRICS = ("dists", "lpips", "niqe", "psnr-y", "lattice:4")
_COUNT, _SIDE, _SEED = 8, 512, 0


class Validation:
    """Square centres of the first photographs of a dataset, degraded at a fixed seed.

    Args:
        data: The dataset, with its options.
        registry: Supplies dataset, degradations and metrics.
    """

    def __init__(self, data: dict[str, Any], registry: Registry) -> None:
        photos = registry.make("dataset", Selection.model_validate(data))
        self._hr = [_centre(photos[index].hr) for index in range(min(_COUNT, len(photos)))]
        self._metrics = {name: registry.make("metric", Selection(use=name)) for name in METRICS}
        makers = {name: registry.make("degradation", Selection(use=name)) for name in DEGRADATIONS}
        self._lr = {
            name: [degrade(maker, hr, _SEED, [index]) for index, hr in enumerate(self._hr)]
            for name, maker in makers.items()
        }

    @torch.inference_mode()
    def figures(self, restorer: Restorer) -> dict[str, dict[str, float]]:
        """Means over the photographs, by degradation and metric."""
        found = {}
        for degradation, images in self._lr.items():
            restored = [restorer(lr) for lr in images]
            found[degradation] = {
                name: round(_mean(metric, restored, self._hr), 4)
                for name, metric in self._metrics.items()
            }
        return found


def _mean(metric: Any, restored: list[Tensor], hr: list[Tensor]) -> float:
    scores = [metric(sr, real) for sr, real in zip(restored, hr, strict=True)]
    return float(torch.cat(scores).mean())


def _centre(photo: Tensor) -> Tensor:
    """`[1, 3, side, side]` of `[3, h, w]`; a smaller photograph as far as it goes."""
    height, width = (min(_SIDE, side - side % 4) for side in photo.shape[1:])
    top, left = (photo.shape[1] - height) // 2, (photo.shape[2] - width) // 2
    return photo[None, :, top : top + height, left : left + width]
