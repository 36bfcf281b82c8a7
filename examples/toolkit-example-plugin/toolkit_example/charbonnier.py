"""The Charbonnier loss."""

from __future__ import annotations

from torch import Tensor, nn


class Charbonnier(nn.Module):
    """Mean of √((x − y)² + ε²) − ε, a smooth approximation of the absolute error.

    Args:
        epsilon: ε, for pixel values in [0, 1].

    Example:
        >>> import torch
        >>> loss = Charbonnier(epsilon=0.001)
        >>> loss(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4))
        tensor([0., 0.])
    """

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Returns the distance of each image, `[b]`, from images `[b, 3, h, w]`."""
        distance = ((prediction - target).square() + self.epsilon**2).sqrt() - self.epsilon
        return distance.flatten(1).mean(1)
