"""JPEG compression: libjpeg, and a differentiable implementation that runs on a GPU."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import torch
from torch.nn.functional import avg_pool2d, pad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

# ITU-T T.81, annex K.1: the tables that libjpeg scales by the quality, row by row. The luma table
# is used transposed, as in Real-ESRGAN's code.
_LUMA_STEPS: Final = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMA_STEPS: Final = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99, *(99,) * 32,
)  # fmt: skip
# ITU-T T.871, clause 7.
_TO_YCBCR: Final = (
    (0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312),
)  # fmt: skip
_TO_RGB: Final = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def libjpeg(image: Tensor, quality: float) -> Tensor:
    """Compresses `[3, h, w]` with libjpeg, 4:2:0, and decodes it.

    The image is rounded to 8 bits and the quality to an integer. Not differentiable.

    Example:
        >>> libjpeg(torch.zeros(3, 3, 5), 50).shape
        torch.Size([3, 3, 5])
    """
    pixels = (image.detach().clamp(0, 1) * 255).round().to("cpu", torch.uint8)
    options = [
        cv2.IMWRITE_JPEG_QUALITY, round(quality),
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]  # fmt: skip
    _, encoded = cv2.imencode(".jpg", cv2.merge([*pixels.flip(0).numpy()]), options)
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
    assert decoded is not None
    planes = [torch.from_numpy(plane) for plane in cv2.split(decoded)]
    return torch.stack(planes).to(image.device) / 255


def differentiable_jpeg(images: Tensor, qualities: Sequence[float]) -> Tensor:
    """Compresses `[b, 3, h, w]` in floating point, 4:2:0, with b qualities, possibly fractional.

    Follows Real-ESRGAN's code: borders are padded with zeros, chroma is averaged over 2x2 pixels
    and repeated, and quantisation steps are not rounded. Coefficients are rounded in the forward
    pass; gradients follow Shin and Song, "JPEG-resistant Adversarial Images", 2017.

    Example:
        >>> differentiable_jpeg(torch.zeros(2, 3, 3, 5), [50, 90.5]).shape
        torch.Size([2, 3, 3, 5])
    """
    height, width = images.shape[2:]
    padded = pad(images, (0, -width % 16, 0, -height % 16))
    luma, *chroma = _convert_colours(padded * 255, _TO_YCBCR).chunk(3, 1)
    factors = torch.tensor([_factor(quality) for quality in qualities], device=images.device)
    transposed = [_LUMA_STEPS[8 * (index % 8) + index // 8] for index in range(64)]
    planes = [_quantise(luma - 128, transposed, factors) + 128]
    for plane in chroma:
        small = _quantise(avg_pool2d(plane, 2), _CHROMA_STEPS, factors)
        planes.append(small.repeat_interleave(2, 2).repeat_interleave(2, 3))
    rgb = _convert_colours(torch.cat(planes, 1), _TO_RGB)
    return rgb[:, :, :height, :width].clamp(0, 255) / 255


def _convert_colours(images: Tensor, matrix: Sequence[Sequence[float]]) -> Tensor:
    """Multiplies the channels of `[b, 3, h, w]` with a matrix; neutral chroma is 0."""
    channels = images.unbind(1)
    rows = [row[0] * channels[0] + row[1] * channels[1] + row[2] * channels[2] for row in matrix]
    return torch.stack(rows, 1)


def _quantise(planes: Tensor, steps: Sequence[int], factors: Tensor) -> Tensor:
    """Rounds the DCT coefficients of `[b, 1, h, w]`, with sides that are multiples of 8."""
    count, _, height, width = planes.shape
    transform = _cosine_transform(planes.device)
    blocks = planes.view(count, height // 8, 8, width // 8, 8).transpose(2, 3)
    table = torch.tensor(steps, dtype=torch.float32, device=planes.device)
    scaled = (table * factors[:, None])[:, None]  # [b, 1, 64]
    coefficients = _round(blocks.reshape(count, -1, 64) @ transform.T / scaled) * scaled
    restored = (coefficients @ transform).view(count, height // 8, width // 8, 8, 8)
    return restored.transpose(2, 3).reshape(count, 1, height, width)


def _round(values: Tensor) -> Tensor:
    rounded = values.round()
    if not values.requires_grad:
        return rounded
    cubic = (values - rounded.detach()) ** 3
    return rounded.detach() + (cubic - cubic.detach())


def _factor(quality: float) -> float:
    """Returns libjpeg's factor on the tables: 1 at quality 50, nearly 0 at 100."""
    factor = 50 / quality if quality < 50 else 2 - quality / 50
    return max(factor, 1e-3)  # avoids division by zero at quality 100


@functools.lru_cache(maxsize=4)
def _cosine_transform(device: torch.device) -> Tensor:
    """Returns the orthogonal DCT matrix of flattened 8x8 blocks, `[64, 64]`."""
    index = np.arange(8)
    rows = np.cos((2 * index[None] + 1) * index[:, None] * math.pi / 16) / 2
    rows[0] /= math.sqrt(2)
    return torch.from_numpy(np.kron(rows, rows)).float().to(device)
