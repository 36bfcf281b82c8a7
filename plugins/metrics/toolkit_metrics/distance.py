"""A perceptual loss, used as a metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from toolkit.plugin import DataError
from toolkit_metrics.pairs import pixels, reference, size

if TYPE_CHECKING:
    from toolkit.plugin import PerceptualLoss


class Distance:
    """Scores by a loss, without gradients; 0 for equal images, lower is better.

    Args:
        loss: The perceptual loss.
        min_side: Smallest side that its network accepts, in pixels.
    """

    def __init__(self, loss: PerceptualLoss, min_side: int) -> None:
        self._loss, self._min_side = loss, min_side
        self._device: torch.device | None = None

    @torch.no_grad()
    def __call__(self, sr: Tensor, hr: Tensor | None) -> Tensor:
        """Scores `[b, 3, h, w]`, in [0, 1], as `[b]`.

        Raises:
            DataError: There is no reference, sizes differ, a pixel is not finite, or a side is too
                short.
        """
        hr = reference(sr, hr)
        if min(sr.shape[-2:]) < self._min_side:
            raise DataError(
                f"This metric needs sides of at least {self._min_side} pixels; the image has "
                f"{size(sr)}",
                hint="Exclude this image",
            )
        if self._device != sr.device:
            self._loss.to(sr.device)
            self._device = sr.device
        return self._loss(pixels(sr, "sr"), pixels(hr, "hr"))
