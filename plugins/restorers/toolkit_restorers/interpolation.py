"""Interpolation as restorers."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from toolkit.plugin import bicubic_resize


class Bicubic:
    """Bicubic upscaling, clamped to [0, 1].

    Example:
        >>> Bicubic(4)(torch.full((1, 3, 2, 5), 0.5)).shape
        torch.Size([1, 3, 8, 20])
    """

    name = "bicubic"

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def __call__(self, lr: Tensor) -> Tensor:
        """Upscales `[b, 3, h, w]` to `[b, 3, scale * h, scale * w]`, in [0, 1]."""
        return bicubic_resize(lr, self.scale).clamp(0, 1)

    def to(self, device: torch.device) -> Bicubic:  # noqa: ARG002
        """Does nothing: runs on the device of the image."""
        return self


class Lanczos:
    """Lanczos upscaling over 8 x 8 LR pixels (OpenCV's `INTER_LANCZOS4`), clamped to [0, 1].

    Example:
        >>> Lanczos(4)(torch.full((1, 3, 2, 5), 0.5)).shape
        torch.Size([1, 3, 8, 20])
    """

    name = "lanczos"

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def __call__(self, lr: Tensor) -> Tensor:
        """Upscales `[b, 3, h, w]` to `[b, 3, scale * h, scale * w]`, in [0, 1], in float32."""
        return torch.stack([self._upscale(image) for image in lr]).to(lr).clamp_(0, 1)

    def to(self, device: torch.device) -> Lanczos:  # noqa: ARG002
        """Does nothing: always runs on the CPU."""
        return self

    def _upscale(self, image: Tensor) -> Tensor:
        pixels = np.ascontiguousarray(image.detach().float().cpu().permute(1, 2, 0).numpy())
        size = pixels.shape[1] * self.scale, pixels.shape[0] * self.scale
        upscaled = cv2.resize(pixels, size, interpolation=cv2.INTER_LANCZOS4)
        return torch.from_numpy(np.ascontiguousarray(upscaled.transpose(2, 0, 1)))
