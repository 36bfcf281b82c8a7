"""Validation and colour conversion shared by the metrics."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from toolkit.plugin import DataError

Colour = Literal["y", "rgb"]

_BT601 = (65.481, 128.553, 24.966)


def luma(rgb: Tensor) -> Tensor:
    """Converts `[b, 3, h, w]` in [0, 1] to BT.601 luma, `[b, 1, h, w]` in [16, 235], not rounded.

    Equals MATLAB's `rgb2ycbcr` of a floating-point image, times 255.

    Example:
        >>> [round(x, 3) for x in luma(torch.eye(3).view(3, 3, 1, 1).double()).flatten().tolist()]
        [81.481, 144.553, 40.966]
    """
    red, green, blue = rgb.unbind(1)
    total = (red * _BT601[0]).add_(green, alpha=_BT601[1]).add_(blue, alpha=_BT601[2])
    return total.add_(16).unsqueeze(1)


def comparable(sr: Tensor, hr: Tensor | None, colour: Colour, border: int) -> tuple[Tensor, Tensor]:
    """Returns both images as float64 in [0, 255], `[b, 1 or 3, h, w]`, without their border.

    Raises:
        DataError: There is no reference, sizes differ, the border covers the whole image, or a
            pixel is not finite.
    """
    pair = sr, reference(sr, hr)
    if min(sr.shape[-2:]) <= 2 * border:
        raise DataError(
            f"An image of {size(sr)} pixels is too small for a border of {border}",
            hint="Lower the option 'border'",
        )
    inner = slice(border, -border or None)
    # Metal has no float64.
    precise = torch.float32 if sr.device.type == "mps" else torch.float64
    pair = pixels(sr, "sr"), pixels(pair[1], "hr")
    first, second = (image[..., inner, inner].to(precise) for image in pair)
    if colour == "y":
        return luma(first), luma(second)
    return first * 255, second * 255


def pixels(image: Tensor, name: Literal["sr", "hr"]) -> Tensor:
    """Returns the image detached and clamped to [0, 1].

    Raises:
        DataError: A pixel is NaN or infinite.
    """
    image = image.detach()
    low, high = torch.aminmax(image)
    if not bool((high - low).isfinite()):  # NaN and infinity both propagate to the extremes
        bad = int((~image.isfinite()).sum())
        kind = "restored image (sr)" if name == "sr" else "reference image (hr)"
        raise DataError(
            f"The {kind} has {bad} values that are NaN or infinite",
            hint="Check the restorer, or how the image was loaded",
        )
    return image if low >= 0 and high <= 1 else image.clamp(0, 1)


def reference(sr: Tensor, hr: Tensor | None) -> Tensor:
    """Checks and returns the reference.

    Raises:
        DataError: There is no reference, or its size differs.
    """
    if hr is None:
        raise DataError("This metric needs reference images", hint="Pass their folder: --hr DIR")
    if sr.shape != hr.shape:
        raise DataError(
            f"The restored image has {size(sr)} pixels, the reference {size(hr)}",
            hint="Use images of the same size, with the same file names in both folders",
        )
    return hr


def size(image: Tensor) -> str:
    """Formats width and height for messages."""
    return f"{image.shape[-1]}x{image.shape[-2]}"
