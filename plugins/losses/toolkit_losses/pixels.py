"""Losses on pixels."""

from __future__ import annotations

from torch import Tensor, nn


class MeanSquaredError(nn.Module):
    """Mean squared error (eq. 8's first term).

    Example:
        >>> import torch
        >>> loss = MeanSquaredError()
        >>> loss(torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5))
        tensor([0.2500, 0.2500])
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Error of each image, `[b]`, from images `[b, 3, h, w]`."""
        return (prediction - target).square().flatten(1).mean(1)
