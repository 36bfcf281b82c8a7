"""8-bit images and Pillow's resizing, by which the published systems prepare their inputs.

All functions take and return `[1, 3, h, w]` in [0, 1]. On the meta device they return shapes alone.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from toolkit.restoring.colour import ColourMethod, match_colour

Filter = Literal["bicubic", "lanczos"]
_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}
_FLOOR_SIDE = 512


def rounded(image: Tensor) -> Tensor:
    """Rounds to 8 bits, as writing an image does."""
    return image.clamp(0, 1).mul(255).round().div(255)


def truncated(image: Tensor) -> Tensor:
    """Truncates to 8 bits, as torchvision's `ToPILImage` does."""
    return image.clamp(0, 1).mul(255).floor().div(255)


def resize(image: Tensor, size: tuple[int, int], method: Filter = "bicubic") -> Tensor:
    """Resizes an 8-bit image to `(height, width)` with Pillow; the result is 8-bit, too."""
    height, width = size
    if image.is_meta:
        return image.new_empty(1, 3, height, width)
    pixels = image[0].mul(255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    resized = Image.fromarray(pixels).resize((width, height), _FILTERS[method])
    values = torch.from_numpy(np.array(resized)).permute(2, 0, 1)[None]
    return values.to(image.device, torch.float32).div(255)


def enlarge(
    lr: Tensor, scale: int, process_size: int = _FLOOR_SIDE, final: Filter = "bicubic"
) -> Tensor:
    """Enlarges an LR image to the size at which OSEDiff and SeeSR restore it.

    An image with a side below `process_size // scale` is first enlarged so that its shorter side
    has that length; the result's sides are multiples of 8.

    Args:
        lr: 8-bit image.
        scale: Factor of the second enlarging.
        process_size: Smallest side of the result in pixels.
        final: Filter of the last resizing, to multiples of 8.
    """
    height, width = lr.shape[2:]
    floor = process_size // scale
    if min(height, width) < floor:
        ratio = floor / min(height, width)
        height, width = int(ratio * height), int(ratio * width)
        lr = resize(lr, (height, width))
    height, width = scale * height, scale * width
    large = resize(lr, (height, width))
    return resize(large, (height - height % 8, width - width % 8), final)


def with_colours_of(sr: Tensor, source: Tensor, method: ColourMethod) -> Tensor:
    """Gives an 8-bit image the colours of another, truncated to 8 bits."""
    return sr if method == "none" else truncated(match_colour(sr, source, method))
