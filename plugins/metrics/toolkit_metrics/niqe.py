"""Natural image quality evaluator (Mittal et al., 2013): no reference, lower is better.

Written from the paper and from the facts of its authors' release of 2012: equation numbers are
those of "Making a completely blind image quality analyzer".
"""

from __future__ import annotations

import math
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load
from torch import Tensor
from torch.nn import functional as F

from toolkit.errors import DataError
from toolkit_metrics.pairs import pixels, size

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK = 96
_LUMA = (0.299, 0.587, 0.114)
_SIGMA = 7 / 6
# The cubic of Keys (a = -1/2), stretched to twice its width, between pixels.
_HALF = [-0.01171875, -0.03515625, 0.11328125, 0.43359375]
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


def niqe(sr: Tensor) -> Tensor:
    """Distance of an image's statistics from those of pristine photographs.

    Luma is rounded to integers. Whole blocks of 96 pixels from the upper left count, at full and
    at half size; what is left over at the right and below does not. Equals pyiqa's figure of the
    same luma to about 1e-7.

    Args:
        sr: `[b, 3, h, w]`, in [0, 1].

    Returns:
        `[b]`, float64, at least 0; photographs have about 2 to 5.

    Raises:
        DataError: Fewer than two blocks fit, fewer than two have any texture, or a pixel is not
            finite.

    Example:
        >>> noise = torch.rand(1, 3, 192, 96, generator=torch.Generator().manual_seed(0))
        >>> niqe(noise).item() > 10  # nothing like a photograph
        True
    """
    rows, columns = sr.shape[-2] // BLOCK, sr.shape[-1] // BLOCK
    if rows * columns < 2:
        raise DataError(
            f"NIQE needs two blocks of {BLOCK}x{BLOCK} pixels; the image has {size(sr)}",
            hint=f"Use images of at least {2 * BLOCK}x{BLOCK} pixels, or leave NIQE out",
        )
    # Metal has no float64, without which the covariances below are worth little.
    image = pixels(sr.cpu() if sr.device.type == "mps" else sr, "sr")
    scores = [_score(_luma(one[:, : rows * BLOCK, : columns * BLOCK])) for one in image]
    return torch.stack(scores)


def _score(luma: Tensor) -> Tensor:
    """One image's score, from luma `[h, w]` in [0, 255], by equation 10."""
    # In single precision, as in pyiqa: what is nearest in the table of shapes hangs on it.
    half = _halved(_halved((luma / 255).float(), 0), 1).double() * 255
    found = torch.cat([_features(luma, BLOCK), _features(half, BLOCK // 2)], dim=1)
    complete = found[~found.isnan().any(1)]
    if len(complete) < 2:
        raise DataError(
            "NIQE is undefined for this image: fewer than two blocks of it have any texture",
            hint="Leave this image out",
        )
    mean, covariance = pristine()
    apart = (mean.to(found) - found.nanmean(0))[None]
    both = (covariance.to(found) + complete.T.cov()) / 2
    distance: Tensor = apart @ torch.linalg.pinv(both) @ apart.T
    return distance.sqrt().squeeze()


def _features(image: Tensor, side: int) -> Tensor:
    """18 features of each block of `side` pixels (section II.B-C), `[blocks, 18]`."""
    rows, columns = image.shape[0] // side, image.shape[1] // side
    blocks = _normalised(image).view(rows, side, columns, side).transpose(1, 2).contiguous()
    alpha, left, right = _asymmetric_fit(blocks)
    features = [alpha, (left + right) / 2]
    for shift in _NEIGHBOURS:
        # Around the edge of its block, as in the authors' code.
        alpha, left, right = _asymmetric_fit(blocks * blocks.roll(shift, (2, 3)))
        mean = (right - left) * (torch.lgamma(2 / alpha) - torch.lgamma(1 / alpha)).exp()
        features += [alpha, mean, left, right]
    return torch.stack(features, dim=-1).view(rows * columns, -1)


def _normalised(image: Tensor) -> Tensor:
    """Each pixel without its neighbourhood's mean, over its deviation plus 1 (eqs. 1-3)."""
    weights = _window()
    padded = F.pad(image[None], (3, 3, 3, 3), mode="replicate")[0]
    mean = _filtered(_filtered(padded, weights, 0), weights, 1)
    power = _filtered(_filtered(padded.square(), weights, 0), weights, 1)
    # The addend under the root is pyiqa's; it is felt where an image is flat.
    tiny = torch.finfo(image.dtype).eps
    deviation = power.sub_(mean.square()).abs_().add_(tiny).sqrt_()
    return (image - mean) / deviation.add_(1)


@cache
def _window() -> list[float]:
    """One side of the Gaussian window of 7x7 pixels.

    Its sum is that of the window in single precision, as in pyiqa: one part in 10^8 from 1. That
    decides the signs of pixels in flat regions, where the difference to the mean vanishes.
    """
    line = [math.exp(-(place**2) / (2 * _SIGMA**2)) for place in range(-3, 4)]
    exact = torch.tensor(line, dtype=torch.float64) / sum(line)
    total = exact.outer(exact).float().double().sum().sqrt()
    return (exact * total).tolist()


def _halved(image: Tensor, side: int) -> Tensor:
    """Half as long on one side, as MATLAB's `imresize` with antialiasing: bicubic, mirrored."""
    length = image.shape[side]
    ends = image.narrow(side, 0, 3).flip(side), image.narrow(side, length - 3, 3).flip(side)
    return _filtered(torch.cat([ends[0], image, ends[1]], side), _HALF + _HALF[::-1], side, 2)


def _filtered(image: Tensor, weights: Sequence[float], side: int, step: int = 1) -> Tensor:
    """Correlates one side of `[h, w]` with weights, where they fit, at every `step`-th place."""
    # Sums of shifted images: torch's convolution in float64 takes more time and memory.
    end = image.shape[side] - len(weights) + 1
    places = [slice(shift, shift + end, step) for shift in range(len(weights))]
    shifted = [image[place] if side == 0 else image[:, place] for place in places]
    total = shifted[0] * weights[0]
    for each, weight in zip(shifted[1:], weights[1:], strict=True):
        total += each * weight  # not fused: each product is rounded, whatever the processor
    return total


def _asymmetric_fit(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Shape and both scales of an asymmetric generalised Gaussian, by moments (eq. 7).

    `x` is `[rows, columns, side, side]`, each result `[rows, columns]`; NaN where one sign is
    missing, with a shape of 0.2.
    """
    inner = (2, 3)
    below, above = x.clamp(max=0), x.clamp(min=0)
    left_power, right_power = below.square().sum(inner), above.square().sum(inner)
    left = (left_power / (x < 0).sum(inner)).sqrt()
    right = (right_power / (x > 0).sum(inner)).sqrt()
    count = x.shape[2] * x.shape[3]
    absolute = (above.sum(inner) - below.sum(inner)) / count
    balance = left / right
    ratio = absolute.square() / ((left_power + right_power) / count)
    ratio = ratio * (balance**3 + 1) * (balance + 1) / (balance.square() + 1).square()
    alpha = _shape(ratio)
    scale = ((torch.lgamma(1 / alpha) - torch.lgamma(3 / alpha)) / 2).exp()
    return alpha, left * scale, right * scale


def _shape(ratio: Tensor) -> Tensor:
    """The shape in 0.2, 0.201 ... 10 whose ratio of moments is nearest; 0.2 for NaN."""
    shapes, ratios = (table.to(ratio.device) for table in _shapes())
    after = torch.searchsorted(ratios, ratio.nan_to_num(0.0)).clamp(1, len(ratios) - 1)
    nearer_before = ratio - ratios[after - 1] <= ratios[after] - ratio
    nearest = after - nearer_before.long()
    return shapes[torch.where(ratio.isnan(), 0, nearest)]


@cache
def _shapes() -> tuple[Tensor, Tensor]:
    """Shapes, and Γ(2/s)² / (Γ(1/s) Γ(3/s)) of each, which rises with s."""
    # In single precision, as in pyiqa.
    shapes = torch.arange(0.2, 10.0005, 0.001, dtype=torch.float32).double()
    logarithm = 2 * torch.lgamma(2 / shapes) - torch.lgamma(1 / shapes) - torch.lgamma(3 / shapes)
    return shapes, logarithm.exp()


def _luma(rgb: Tensor) -> Tensor:
    """`[3, h, w]` in [0, 1] to BT.601 luma `[h, w]`, integers of 0 to 255, float64."""
    # In single precision, as pyiqa: one pixel in a thousand lies half way between two integers.
    red, green, blue = rgb.float()
    mixed: Tensor = (red * _LUMA[0]).add_(green * _LUMA[1]).add_(blue * _LUMA[2])
    return mixed.mul_(255).round_().double()


@cache
def pristine() -> tuple[Tensor, Tensor]:
    """Mean `[36]` and covariance `[36, 36]` of pristine photographs, float64 (see data/NOTICE)."""
    data = files("toolkit_metrics").joinpath("data/niqe_pristine.safetensors").read_bytes()
    tensors = load(data)
    return tensors["mu"], tensors["cov"]
