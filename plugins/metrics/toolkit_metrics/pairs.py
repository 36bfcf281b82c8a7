"""What all metrics share: checked pixels, pairs of equal size, in the colours to compare."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from toolkit.errors import DataError

Colour = Literal["y", "rgb"]

_BT601 = (65.481, 128.553, 24.966)


def luma(rgb: Tensor) -> Tensor:
    """BT.601 luma of `[b, 3, h, w]` in [0, 1], as `[b, 1, h, w]` in [16, 235], not rounded.

    As MATLAB's `rgb2ycbcr` of an image in floating point, times 255.

    Example:
        >>> [round(x, 3) for x in luma(torch.eye(3).view(3, 3, 1, 1).double()).flatten().tolist()]
        [81.481, 144.553, 40.966]
    """
    red, green, blue = rgb.unbind(1)
    total = (red * _BT601[0]).add_(green, alpha=_BT601[1]).add_(blue, alpha=_BT601[2])
    return total.add_(16).unsqueeze(1)


def comparable(sr: Tensor, hr: Tensor | None, colour: Colour, border: int) -> tuple[Tensor, Tensor]:
    """Both images as float64 on the scale of 0 to 255, `[b, 1 or 3, h, w]`, without their border.

    Raises:
        DataError: There is no reference, the sizes differ, nothing is left within the border, or
            a pixel is not finite.
    """
    pair = sr, reference(sr, hr)
    if min(sr.shape[-2:]) <= 2 * border:
        raise DataError(
            f"Nothing is left of {size(sr)} pixels without a border of {border}",
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
    """The image as a file would hold it, but for rounding: within [0, 1], without gradients.

    Raises:
        DataError: A pixel is NaN or infinite.
    """
    image = image.detach()
    low, high = torch.aminmax(image)
    if not bool((high - low).isfinite()):  # NaN and infinity both reach an extreme
        bad = int((~image.isfinite()).sum())
        kind = "restored image (sr)" if name == "sr" else "true image (hr)"
        raise DataError(
            f"The {kind} has {bad} values that are NaN or infinite",
            hint="Look for the restorer's or the reader's fault; no figure can be given",
        )
    return image if low >= 0 and high <= 1 else image.clamp(0, 1)


def reference(sr: Tensor, hr: Tensor | None) -> Tensor:
    """The reference, if it is one for `sr`.

    Raises:
        DataError: There is none, or its size differs.
    """
    if hr is None:
        raise DataError("This metric needs the true images", hint="Give their folder with --hr")
    if sr.shape != hr.shape:
        raise DataError(
            f"The restored image has {size(sr)} pixels, the true one {size(hr)}",
            hint="Compare whole images of one size; both folders must pair by file name",
        )
    return hr


def size(image: Tensor) -> str:
    """Width x height, for messages."""
    return f"{image.shape[-1]}x{image.shape[-2]}"
