"""What repeats with an autoencoder's period, where nothing should."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from toolkit.errors import DataError
from toolkit_losses.features import check_shapes

_WINDOW = 32
"""Side of a window in periods: long enough that an image's own details average out."""

_LEVEL = 1 / 255
"""Below it nothing is seen, however flat the target."""


class LatticeLoss:
    """Power of the part of the error that repeats every `period` pixels, relative to the target.

    A decoder can make texture out of its own grid, and statistics of features take it for that.
    Here the error is averaged over all periods of half-overlapping windows. What repeats stays,
    everything else all but vanishes; of the former the mean is taken off, as it is a colour and
    no pattern. Its power is divided by that of the target's details in the window, which would
    hide it. Ours, not the paper's.

    Args:
        period: In pixels, such as the factor of an autoencoder.

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
        """The quotient of each image, `[b]`, a mean over the windows of images `[b, 3, h, w]`.

        Incomplete periods at the right and below are left out.

        Raises:
            DataError: The shapes differ, or a side has no whole period.
        """
        check_shapes(prediction, target)
        repeated = _windows(self._phases(prediction - target)).square().mean(1)
        details = _windows(self._phases(target).square()).mean(1)
        quotient: Tensor = repeated / (details + _LEVEL**2)
        return quotient.flatten(1).mean(1)

    def _phases(self, images: Tensor) -> Tensor:
        """Each place of a period as a channel, less their mean: `[b, 3·period², rows, columns]`."""
        rows, columns = (side // self._period for side in images.shape[2:])
        if not (rows and columns):
            raise DataError(
                f"{images.shape[3]}x{images.shape[2]} pixels hold no period of {self._period}.",
                "Take larger images, or a shorter period: lattice:4",
            )
        whole = images[..., : rows * self._period, : columns * self._period]
        phases = F.pixel_unshuffle(whole, self._period)
        phases = phases.reshape(*images.shape[:2], -1, rows, columns)
        return (phases - phases.mean(2, keepdim=True)).flatten(1, 2)

    def to(self, device: torch.device) -> Self:  # noqa: ARG002
        """Nothing to move."""
        return self


def _windows(phases: Tensor) -> Tensor:
    """Means over half-overlapping windows, or over the whole where that is smaller."""
    side = min(*phases.shape[2:], _WINDOW)
    return F.avg_pool2d(phases, side, max(1, side // 2))
