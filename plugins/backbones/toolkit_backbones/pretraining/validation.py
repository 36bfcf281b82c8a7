"""Validation of a restorer on photographs that it was not trained on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from toolkit.degrading.samples import degrade
from toolkit.plugin import Restorer, Selection
from toolkit.registry import Registry

DEGRADATIONS = ("realesrgan", "bicubic")
METRICS = ("dists", "lpips", "niqe", "psnr-y", "lattice:4")
_COUNT, _SIDE, _SEED = 8, 512, 0


class Validation:
    """Centre crops of a dataset's first photographs, degraded with a fixed seed.

    Args:
        data: Selection of the dataset, with options.
        registry: Supplies dataset, degradations and metrics.
    """

    def __init__(self, data: dict[str, Any], registry: Registry) -> None:
        photos = registry.make("dataset", Selection.model_validate(data))
        self._hr = [_centre_crop(photos[index].hr) for index in range(min(_COUNT, len(photos)))]
        self._metrics = {name: registry.make("metric", Selection(use=name)) for name in METRICS}
        degradations = {
            name: registry.make("degradation", Selection(use=name)) for name in DEGRADATIONS
        }
        self._lr = {
            name: [degrade(degradation, hr, _SEED, [i]) for i, hr in enumerate(self._hr)]
            for name, degradation in degradations.items()
        }

    @torch.inference_mode()
    def scores(self, restorer: Restorer) -> dict[str, dict[str, float]]:
        """Returns mean scores by degradation and metric."""
        scores = {}
        for degradation, images in self._lr.items():
            restored = [restorer(lr) for lr in images]
            scores[degradation] = {
                name: round(_mean(metric, restored, self._hr), 4)
                for name, metric in self._metrics.items()
            }
        return scores


def _mean(metric: Any, restored: list[Tensor], references: list[Tensor]) -> float:
    scores = [metric(sr, hr) for sr, hr in zip(restored, references, strict=True)]
    return float(torch.cat(scores).mean())


def _centre_crop(photo: Tensor) -> Tensor:
    """Crops `[3, h, w]` to `[1, 3, 512, 512]`, or less if the photograph is smaller."""
    height, width = (min(_SIDE, side - side % 4) for side in photo.shape[1:])
    top, left = (photo.shape[1] - height) // 2, (photo.shape[2] - width) // 2
    return photo[None, :, top : top + height, left : left + width]
