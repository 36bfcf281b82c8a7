"""Edge-aware losses: a distance between the images plus one between their edges (eqs. 5-7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from toolkit_losses.features import (
    FeatureLoss,
    Features,
    at_least_float32,
    check_shapes,
    no_autocast,
)

Edges = Literal["grey", "colour"]

_SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
_FLAT = 1e-6
"""Added under the root, so that flat regions have a gradient; open in the paper."""


def sobel(image: Tensor, edges: Edges = "grey") -> Tensor:
    """Sobel magnitude √((Gx∗x)² + (Gy∗x)² + 1e-6) (eqs. 6, 7), `[b, 3, h, w]` to the same shape.

    Args:
        image: In [0, 1].
        edges: "grey" for the edges of the channels' mean, repeated to three channels; "colour"
            for those of each channel.

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
    """d(x, y) + d(S(x), S(y)) (eq. 5) of any distance d; images and edges make one batch."""

    autocast = True

    def __init__(
        self, distance: FeatureLoss, edges: Edges, image_weight: float, edge_weight: float
    ) -> None:
        self._distance = distance
        self._edges: Edges = edges
        self._weights = (image_weight, edge_weight)

    def __call__(self, prediction: Tensor, target: Tensor | Sequence[Features]) -> Tensor:
        """Distance of each image, `[b]`; the target may be what `prepare` returned."""
        if isinstance(target, Tensor):
            check_shapes(prediction, target)
            target = self._with_edges(target.detach())
        images, edges = self._distance(self._with_edges(prediction), target).chunk(2)
        return self._weights[0] * images + self._weights[1] * edges

    @torch.no_grad()
    def prepare(self, target: Tensor) -> list[Features]:
        """The features of the target and of its edges."""
        return self._distance.prepare(self._with_edges(target))

    def frozen_bytes(self, like: Tensor) -> int:
        """What the distance's network takes."""
        return self._distance.frozen_bytes(like)

    def to(self, device: torch.device) -> Self:
        """Moves what the distance keeps."""
        self._distance.to(device)
        return self

    def _with_edges(self, image: Tensor) -> Tensor:
        with no_autocast(image):  # no edges of 8 bits
            image = at_least_float32(image)
            return torch.cat([image, sobel(image, self._edges)])
