"""EA-DISTS: DISTS between the images plus DISTS between their edges (eqs. 5-7)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from toolkit_losses.dists import Dists, Features

_SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
_FLAT = 1e-6
"""Added under the root, so that flat regions have a gradient; open in the paper."""


def sobel(image: Tensor, edges: Literal["grey", "colour"] = "grey") -> Tensor:
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


class EdgeAwareDists(nn.Module):
    """DISTS(x, y) + DISTS(S(x), S(y)) (eq. 5); image and edges go through VGG16 in one batch."""

    def __init__(
        self, edges: Literal["grey", "colour"], image_weight: float, edge_weight: float
    ) -> None:
        super().__init__()
        self.dists = Dists()
        self.edges = edges
        self.weights = (image_weight, edge_weight)

    def forward(self, prediction: Tensor, target: Tensor | Features) -> Tensor:
        """Distance of each image, `[b]`; the target may be what `prepare` returned."""
        prepared = self.prepare(target) if isinstance(target, Tensor) else target
        distances: Tensor = self.dists(self._with_edges(prediction), prepared)
        images, edges = distances.chunk(2)
        weighted: Tensor = self.weights[0] * images + self.weights[1] * edges
        return weighted

    @torch.no_grad()
    def prepare(self, target: Tensor) -> Features:
        """The features of the target and of its edges."""
        return self.dists.features(self._with_edges(target))

    def _with_edges(self, image: Tensor) -> Tensor:
        return torch.cat([image, sobel(image, self.edges)])
