"""Crops: read from the command line, checked against an image, or where images differ most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from toolkit.errors import UsageError

AUTO = "auto"
SIDE = 128
"""Side of crops that are chosen automatically, in pixels."""
_STRIDE = 16
"""Distance between the crops that are compared, in pixels."""


@dataclass(frozen=True)
class Crop:
    """A square of an image, in its own pixels.

    Attributes:
        left: Distance from the left edge.
        top: Distance from the upper edge.
        side: Width and height.
    """

    left: int
    top: int
    side: int

    def __str__(self) -> str:
        return f"{self.left},{self.top},{self.side}"

    def of(self, image: Tensor) -> Tensor:
        """Cuts the crop out of `[..., h, w]`."""
        return image[..., self.top : self.top + self.side, self.left : self.left + self.side]

    def check(self, width: int, height: int, name: str) -> None:
        """Checks that the crop lies within an image.

        Raises:
            UsageError: It does not.
        """
        if max(self.left + self.side - width, self.top + self.side - height) > 0:
            side = min(self.side, width, height)
            raise UsageError(
                f"The crop {self} lies outside of {name}, which has {width}x{height} px.",
                f"For example: --crop 0,0,{side}, or --crop {AUTO}",
            )


def parse_crop(text: str) -> Crop | None:
    """Reads `X,Y,SIDE`; None for `auto`.

    Raises:
        UsageError: It is neither.

    Example:
        >>> parse_crop("40,64,128")
        Crop(left=40, top=64, side=128)
    """
    if text == AUTO:
        return None
    try:
        left, top, side = (int(part) for part in text.split(","))
    except ValueError:
        left, top, side = -1, -1, 0
    if left < 0 or top < 0 or side < 1:
        raise UsageError(
            f"--crop {text}: a crop is X,Y,SIDE in pixels of the restored image.",
            f"For example: --crop 40,64,128, or --crop {AUTO}",
        )
    return Crop(left, top, side)


def most_different(images: Sequence[Tensor], side: int = SIDE) -> tuple[Crop, float]:
    """Finds the crop in which images differ most.

    Args:
        images: `[3, h, w]`, in [0, 1], all of one size; at least two.
        side: Side of the crop; less where the images are smaller.

    Returns:
        The crop, and the mean variance of the brightness between the images in it.

    Example:
        >>> one, other = torch.zeros(3, 64, 64), torch.zeros(3, 64, 64)
        >>> other[:, 32:, 48:] = 1
        >>> str(most_different([one, other], 16)[0])
        '48,32,16'
    """
    variance = torch.stack([image.mean(0) for image in images]).double().var(0, correction=0)
    side = min(side, *variance.shape)
    means = F.avg_pool2d(variance[None, None], side, _STRIDE)[0, 0]
    best = int(means.argmax())
    row, column = divmod(best, means.shape[1])
    return Crop(column * _STRIDE, row * _STRIDE, side), float(means.flatten()[best])
