"""Losses on pixels."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from toolkit_losses.features import check_shapes


class PixelLoss:
    """Mean over pixels and channels of |x − y|, to the power of 1 or 2.

    Args:
        power: 2 for mean squared error (first term of eq. 8), 1 for mean absolute error.

    Example:
        >>> black, grey = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)
        >>> PixelLoss(power=2)(black, grey), PixelLoss(power=1)(black, grey)
        (tensor([0.2500, 0.2500]), tensor([0.5000, 0.5000]))
    """

    def __init__(self, power: int) -> None:
        self._power = power

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Returns the error of each image, `[b]`, from images `[b, 3, h, w]`.

        Raises:
            DataError: The shapes differ.
        """
        check_shapes(prediction, target)
        difference = prediction - target
        error = difference.abs() if self._power == 1 else difference.square()
        return error.flatten(1).mean(1)

    def to(self, device: torch.device) -> Self:  # noqa: ARG002
        """Does nothing."""
        return self
