"""Natural image quality evaluator (Mittal et al., 2013): no reference, lower is better.

Implemented from "Making a completely blind image quality analyzer", whose equation numbers are
cited, and the behaviour of its authors' release of 2012.
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

from toolkit.plugin import DataError
from toolkit_metrics.pairs import pixels, size

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK = 96
_LUMA = (0.299, 0.587, 0.114)
_SIGMA = 7 / 6
# Keys' cubic kernel (a = -1/2), stretched by 2 and sampled half way between pixels.
_HALF = [-0.01171875, -0.03515625, 0.11328125, 0.43359375]
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


def niqe(sr: Tensor) -> Tensor:
    """Measures the distance of an image's statistics from those of pristine photographs.

    Luma is rounded to integers. Statistics are computed over whole blocks of 96 pixels, at full
    and at half size; incomplete blocks at the right and bottom are ignored. Agrees with pyiqa on
    the same luma within about 1e-7.

    Args:
        sr: `[b, 3, h, w]`, in [0, 1].

    Returns:
        `[b]`, float64, at least 0; about 2 to 5 for photographs.

    Raises:
        DataError: Fewer than two blocks fit, fewer than two have any texture, or a pixel is not
            finite.

    Example:
        >>> noise = torch.rand(1, 3, 192, 96, generator=torch.Generator().manual_seed(0))
        >>> niqe(noise).item() > 10
        True
    """
    rows, columns = sr.shape[-2] // BLOCK, sr.shape[-1] // BLOCK
    if rows * columns < 2:
        raise DataError(
            f"NIQE needs two blocks of {BLOCK}x{BLOCK} pixels; the image has {size(sr)}",
            hint=f"Use images of at least {2 * BLOCK}x{BLOCK} pixels, or omit NIQE",
        )
    # Metal has no float64, which the covariances below need.
    images = pixels(sr.cpu() if sr.device.type == "mps" else sr, "sr")
    scores = [_score(_luma(image[:, : rows * BLOCK, : columns * BLOCK])) for image in images]
    return torch.stack(scores)


def _score(luma: Tensor) -> Tensor:
    """Returns the score of an image from luma `[h, w]` in [0, 255] (eq. 10)."""
    # In single precision, as in pyiqa: the nearest entry in the table of shapes depends on it.
    half = _halve(_halve((luma / 255).float(), 0), 1).double() * 255
    features = torch.cat([_features(luma, BLOCK), _features(half, BLOCK // 2)], dim=1)
    complete = features[~features.isnan().any(1)]
    if len(complete) < 2:
        raise DataError(
            "NIQE is undefined for this image: fewer than two blocks of it have any texture",
            hint="Exclude this image",
        )
    mean, covariance = pristine()
    difference = (mean.to(features) - features.nanmean(0))[None]
    pooled = (covariance.to(features) + complete.T.cov()) / 2
    distance: Tensor = difference @ torch.linalg.pinv(pooled) @ difference.T
    return distance.sqrt().squeeze()


def _features(image: Tensor, side: int) -> Tensor:
    """Returns 18 features per block of `side` pixels (section II.B-C), `[blocks, 18]`."""
    rows, columns = image.shape[0] // side, image.shape[1] // side
    blocks = _normalise(image).view(rows, side, columns, side).transpose(1, 2).contiguous()
    alpha, left, right = _asymmetric_fit(blocks)
    features = [alpha, (left + right) / 2]
    for shift in _NEIGHBOURS:
        # Neighbours wrap around within a block, as in the authors' code.
        alpha, left, right = _asymmetric_fit(blocks * blocks.roll(shift, (2, 3)))
        mean = (right - left) * (torch.lgamma(2 / alpha) - torch.lgamma(1 / alpha)).exp()
        features += [alpha, mean, left, right]
    return torch.stack(features, dim=-1).view(rows * columns, -1)


def _normalise(image: Tensor) -> Tensor:
    """Subtracts the local mean and divides by the local standard deviation plus 1 (eqs. 1-3)."""
    weights = _window()
    padded = F.pad(image[None], (3, 3, 3, 3), mode="replicate")[0]
    mean = _correlate(_correlate(padded, weights, 0), weights, 1)
    power = _correlate(_correlate(padded.square(), weights, 0), weights, 1)
    # The addend under the root follows pyiqa, and matters in flat regions.
    tiny = torch.finfo(image.dtype).eps
    deviation = power.sub_(mean.square()).abs_().add_(tiny).sqrt_()
    return (image - mean) / deviation.add_(1)


@cache
def _window() -> list[float]:
    """Returns the one-dimensional factor of the Gaussian window of 7x7 pixels.

    The window sums to its value in single precision, as in pyiqa, which differs from 1 by 1e-8.
    This determines the signs of pixels in flat regions, where the difference to the mean vanishes.
    """
    line = [math.exp(-(offset**2) / (2 * _SIGMA**2)) for offset in range(-3, 4)]
    exact = torch.tensor(line, dtype=torch.float64) / sum(line)
    total = exact.outer(exact).float().double().sum().sqrt()
    return (exact * total).tolist()


def _halve(image: Tensor, side: int) -> Tensor:
    """Halves one dimension like MATLAB's `imresize` with antialiasing: bicubic, mirrored."""
    length = image.shape[side]
    ends = image.narrow(side, 0, 3).flip(side), image.narrow(side, length - 3, 3).flip(side)
    return _correlate(torch.cat([ends[0], image, ends[1]], side), _HALF + _HALF[::-1], side, 2)


def _correlate(image: Tensor, weights: Sequence[float], side: int, step: int = 1) -> Tensor:
    """Correlates one dimension of `[h, w]` with weights, without padding, at stride `step`."""
    # torch's convolution in float64 takes more time and memory than sums of shifted images.
    end = image.shape[side] - len(weights) + 1
    slices = [slice(shift, shift + end, step) for shift in range(len(weights))]
    shifted = [image[part] if side == 0 else image[:, part] for part in slices]
    total = shifted[0] * weights[0]
    for part, weight in zip(shifted[1:], weights[1:], strict=True):
        total += part * weight  # not fused, so products are rounded equally on every CPU
    return total


def _asymmetric_fit(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fits an asymmetric generalised Gaussian by moments: shape, left and right scale (eq. 7).

    `x` is `[rows, columns, side, side]`, each result `[rows, columns]`. If a block lacks positive
    or negative values, scales are NaN and the shape is 0.2.
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
    """Returns the shape in 0.2, 0.201 ... 10 with the nearest ratio of moments; 0.2 for NaN."""
    shapes, ratios = (table.to(ratio.device) for table in _shapes())
    after = torch.searchsorted(ratios, ratio.nan_to_num(0.0)).clamp(1, len(ratios) - 1)
    nearer_before = ratio - ratios[after - 1] <= ratios[after] - ratio
    nearest = after - nearer_before.long()
    return shapes[torch.where(ratio.isnan(), 0, nearest)]


@cache
def _shapes() -> tuple[Tensor, Tensor]:
    """Returns shapes s and their ratios Γ(2/s)² / (Γ(1/s) Γ(3/s)), which increase with s."""
    # In single precision, as in pyiqa.
    shapes = torch.arange(0.2, 10.0005, 0.001, dtype=torch.float32).double()
    logarithm = 2 * torch.lgamma(2 / shapes) - torch.lgamma(1 / shapes) - torch.lgamma(3 / shapes)
    return shapes, logarithm.exp()


def _luma(rgb: Tensor) -> Tensor:
    """Converts `[3, h, w]` in [0, 1] to BT.601 luma `[h, w]`, integers in [0, 255], float64."""
    # In single precision, as in pyiqa: one pixel in 1000 lies half way between two integers.
    red, green, blue = rgb.float()
    mixed: Tensor = (red * _LUMA[0]).add_(green * _LUMA[1]).add_(blue * _LUMA[2])
    return mixed.mul_(255).round_().double()


@cache
def pristine() -> tuple[Tensor, Tensor]:
    """Returns mean `[36]` and covariance `[36, 36]` of pristine photographs; see data/NOTICE."""
    data = files("toolkit_metrics").joinpath("data/niqe_pristine.safetensors").read_bytes()
    tensors = load(data)
    return tensors["mu"], tensors["cov"]
