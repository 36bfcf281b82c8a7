"""A perceptual loss, used as a metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from toolkit_metrics.pairs import fingerprint, reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.interfaces import PerceptualLoss


class DistanceMetric:
    """A full-reference metric from a loss; 0 for equal images, lower is better.

    Args:
        name: The loss's.
        loss: Takes (prediction, target), gives `[b]`.
        weights: SHA-256 of each weight file it loads, by name.
    """

    direction: Literal["higher", "lower"] = "lower"
    needs_reference = True

    def __init__(self, name: str, loss: PerceptualLoss, weights: Mapping[str, str]) -> None:
        self._loss = loss
        self._device: torch.device | None = None
        self.fingerprint: Mapping[str, str] = {
            **fingerprint(f"whole images, RGB, loss {name}"),
            **{f"sha256 of {file}": sha256 for file, sha256 in weights.items()},
        }

    @torch.no_grad()
    def __call__(self, sr: Tensor, hr: Tensor | None = None) -> Tensor:
        """Scores `[b, 3, h, w]`, in [0, 1], as `[b]`.

        Raises:
            DataError: There is no reference, or its size differs.
        """
        hr = reference(sr, hr)
        if self._device != sr.device:
            self._loss.to(sr.device)
            self._device = sr.device
        return self._loss(sr, hr)
