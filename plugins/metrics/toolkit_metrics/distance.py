"""A perceptual loss, used as a metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from toolkit.errors import DataError
from toolkit_metrics.pairs import pixels, reference, size

if TYPE_CHECKING:
    from toolkit.interfaces import PerceptualLoss


class Distance:
    """Scores by a loss, without gradients; 0 for equal images, lower is better.

    Args:
        loss: Takes (prediction, target), gives `[b]`.
        least: Pixels a side that its network needs.
    """

    def __init__(self, loss: PerceptualLoss, least: int) -> None:
        self._loss, self._least = loss, least
        self._device: torch.device | None = None

    @torch.no_grad()
    def __call__(self, sr: Tensor, hr: Tensor | None) -> Tensor:
        """Scores `[b, 3, h, w]`, in [0, 1], as `[b]`.

        Raises:
            DataError: There is no reference, its size differs, a pixel is not finite, or a side is
                too short.
        """
        hr = reference(sr, hr)
        if min(sr.shape[-2:]) < self._least:
            raise DataError(
                f"This metric needs {self._least} pixels a side; the image has {size(sr)}",
                hint="Leave this image out",
            )
        if self._device != sr.device:
            self._loss.to(sr.device)
            self._device = sr.device
        return self._loss(pixels(sr, "sr"), pixels(hr, "hr"))
