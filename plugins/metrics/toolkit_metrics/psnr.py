"""Peak signal-to-noise ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit_metrics.pairs import Colour, comparable

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 1e-8


def psnr(sr: Tensor, hr: Tensor | None, colour: Colour = "y", border: int = 0) -> Tensor:
    """Computes -10 log10(MSE / 255² + 1e-8), which is 80 dB for equal images.

    The addend follows pyiqa. It lowers a score of 40 dB by 0.0004 dB, and lower scores by less.

    Args:
        sr: `[b, 3, h, w]`, in [0, 1].
        hr: Reference of the same shape.
        colour: "y" for luma in [16, 235], with a peak of 255; "rgb" for R, G and B together.
        border: Pixels cropped on each side.

    Returns:
        `[b]`, float64, in dB, higher is better.

    Raises:
        DataError: There is no reference, sizes differ, a pixel is not finite, or the border covers
            the whole image.

    Example:
        >>> import torch
        >>> grey = torch.full((1, 3, 8, 8), 0.5)
        >>> round(psnr(grey, grey + 1 / 255, "rgb").item(), 2)  # 20 log10(255), nearly
        48.13
    """
    first, second = comparable(sr, hr, colour, border)
    error = first.sub_(second).square_().mean(dim=(1, 2, 3))
    return -10 * (error / 255**2 + FLOOR).log10()
