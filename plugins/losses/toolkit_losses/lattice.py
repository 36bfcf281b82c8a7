"""A loss for grid artefacts with the period of an autoencoder."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from toolkit.plugin import DataError
from toolkit_losses.features import check_shapes

_WINDOW = 32
"""Side of a window in periods: long enough for an image's details to average out."""

_LEVEL = 1 / 255
"""Smallest visible amplitude, added to the target's details."""


class LatticeLoss:
    """Power of the error's periodic part, relative to the power of the target's details.

    A decoder can imitate texture with its upsampling grid, which losses on feature statistics do
    not detect. Here, the error is averaged over all periods in half-overlapping windows, which
    leaves its periodic part. The mean is removed, as it is a shift in colour. The power of the
    pattern is divided by that of the target's details in the window, which would mask it. Not
    part of the paper.

    Args:
        period: Period in pixels, such as the factor of an autoencoder.

    Example:
        >>> grey, dots = torch.full((1, 3, 32, 32), 0.5), torch.zeros(32, 32)
        >>> dots[::4, ::4] = 0.4
        >>> f"{LatticeLoss(4)(grey + dots, grey).item():.0f}"  # (0.4 · 255)² · 1/16 · 15/16
        '610'
        >>> LatticeLoss(4)(grey + 0.1, grey).item() < 1e-9
        True
    """

    def __init__(self, period: int) -> None:
        self._period = period

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Returns the mean ratio over the windows of each image, `[b]`, from `[b, 3, h, w]`.

        Incomplete periods at the right and bottom are ignored.

        Raises:
            DataError: The shapes differ, or a side is shorter than the period.
        """
        check_shapes(prediction, target)
        pattern = _windows(self._phases(prediction - target)).square().mean(1)
        details = _windows(self._phases(target).square()).mean(1)
        ratio: Tensor = pattern / (details + _LEVEL**2)
        return ratio.flatten(1).mean(1)

    def _phases(self, images: Tensor) -> Tensor:
        """Turns positions in a period into centred channels, `[b, 3·period², rows, columns]`."""
        rows, columns = (side // self._period for side in images.shape[2:])
        if not (rows and columns):
            raise DataError(
                f"An image of {images.shape[3]}x{images.shape[2]} px is smaller than the period, "
                f"{self._period} px.",
                "Use larger images, or a shorter period: lattice:4",
            )
        whole = images[..., : rows * self._period, : columns * self._period]
        phases = F.pixel_unshuffle(whole, self._period)
        phases = phases.reshape(*images.shape[:2], -1, rows, columns)
        return (phases - phases.mean(2, keepdim=True)).flatten(1, 2)

    def to(self, device: torch.device) -> Self:  # noqa: ARG002
        """Does nothing."""
        return self


def _windows(phases: Tensor) -> Tensor:
    """Averages over half-overlapping windows, or over the whole image if that is smaller."""
    side = min(*phases.shape[2:], _WINDOW)
    return F.avg_pool2d(phases, side, max(1, side // 2))
