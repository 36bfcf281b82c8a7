"""Edge-aware losses: distance of the images plus distance of their edges (eqs. 5-7)."""

from __future__ import annotations

from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from toolkit_losses.features import (
    FeatureLoss,
    at_least_float32,
    check_shapes,
    no_autocast,
)

Edges = Literal["grey", "colour"]

_SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
_FLAT = 1e-6
"""Added under the root to keep the gradient finite in flat regions; open in the paper."""


def sobel(image: Tensor, edges: Edges = "grey") -> Tensor:
    """Computes the Sobel magnitude √((Gx∗x)² + (Gy∗x)² + 1e-6) (eqs. 6, 7).

    Args:
        image: `[b, 3, h, w]`, in [0, 1].
        edges: "grey" for edges of the channels' mean, repeated to three channels; "colour" for
            edges of each channel.

    Returns:
        Edge maps of the same shape.

    Example:
        >>> round(sobel(torch.full((1, 3, 5, 5), 0.5))[0, 0, 2, 2].item(), 6)
        0.001
    """
    if edges == "grey":
        image = image.mean(1, keepdim=True)
    channels = image.shape[1]
    horizontal = torch.tensor(_SOBEL, dtype=image.dtype, device=image.device)
    kernels = torch.stack([horizontal, horizontal.T]).unsqueeze(1).repeat(channels, 1, 1, 1)
    gradients = F.conv2d(image, kernels, padding=1, groups=channels)
    squares = gradients.square().reshape(-1, channels, 2, *image.shape[2:]).sum(2)
    return (squares + _FLAT).sqrt().expand(-1, 3, -1, -1)


class EdgeAware:
    """d(x, y) + d(S(x), S(y)) (eq. 5) for any distance d; images and edges form one batch.

    Args:
        distance: The distance d.
        edges: Edges of the channels' mean or of each channel; see `sobel`.
        image_weight: Weight of d(x, y).
        edge_weight: Weight of d(S(x), S(y)).
    """

    autocast = True

    def __init__(
        self, distance: FeatureLoss, edges: Edges, image_weight: float, edge_weight: float
    ) -> None:
        self._distance = distance
        self._edges: Edges = edges
        self._weights = (image_weight, edge_weight)

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Returns the distance of each image, `[b]`.

        Raises:
            DataError: The shapes differ, or a side is below 16 px.
        """
        check_shapes(prediction, target)
        inputs = self._with_edges(prediction), self._with_edges(target.detach())
        image_distances, edge_distances = self._distance(*inputs).chunk(2)
        return self._weights[0] * image_distances + self._weights[1] * edge_distances

    def feature_maps(self, image: Tensor) -> dict[str, list[Tensor]]:
        """Returns the distance's features of images and of their edges, under their names."""
        of_edges = self._distance.feature_maps(sobel(at_least_float32(image), self._edges))
        return {**self._distance.feature_maps(image), "edges": of_edges["image"]}

    def frozen_bytes(self, like: Tensor) -> int:
        """Returns the size of the distance's network; see `FeatureLoss.frozen_bytes`."""
        return self._distance.frozen_bytes(like)

    def to(self, device: torch.device) -> Self:
        """Moves the distance to a device."""
        self._distance.to(device)
        return self

    def _with_edges(self, image: Tensor) -> Tensor:
        with no_autocast(image):  # bfloat16 would leave edges a precision of 8 bits
            image = at_least_float32(image)
            return torch.cat([image, sobel(image, self._edges)])
