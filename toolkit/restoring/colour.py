"""Corrects colours of SR images that drifted from their LR images."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from toolkit.errors import UsageError
from toolkit.images import bicubic_resize

ColourMethod = Literal["wavelet", "adain", "none"]
COLOUR_METHODS: tuple[ColourMethod, ...] = get_args(ColourMethod)


_STRIP = 96
"""Rows processed at a time, to save memory."""
_LEVELS = 5
_REACH = 2**_LEVELS - 1
"""Radius in rows of the low-pass filter."""
_KERNEL = 3
"""Radius in LR rows of bicubic enlarging, plus one."""


def match_colour(sr: Tensor, lr: Tensor, method: ColourMethod, *, clamp: bool = True) -> Tensor:
    """Gives `sr` the colours of `lr`, preserving its details.

    - `wavelet`: `sr`'s details with `lr`'s low frequencies, separated by five levels of the à trous
      wavelet; local, so that it also corrects drift in a part of the image.
    - `adain`: scales and shifts each channel to `lr`'s mean and standard deviation; global.
    - `none`: returns `sr`.

    Source: J. Wang et al., Exploiting Diffusion Prior for Real-World Image Super-Resolution, 2023
    (wavelet); X. Huang and S. Belongie, Arbitrary Style Transfer in Real-time with Adaptive
    Instance Normalization, 2017 (adain).

    Args:
        sr: `[b, 3, H, W]`, in [0, 1].
        lr: `[b, 3, h, w]`, in [0, 1], of any size.
        method: One of `COLOUR_METHODS`.
        clamp: Whether the result is clamped to [0, 1], unless the method is `none`.

    Returns:
        `[b, 3, H, W]`.

    Raises:
        UsageError: The method is unknown.

    Example:
        >>> grey, red = torch.full((1, 3, 8, 8), 0.5), torch.zeros(1, 3, 2, 2)
        >>> red[:, 0] = 1
        >>> match_colour(grey, red, "wavelet")[0, :, 0, 0].round(decimals=3).tolist()
        [1.0, 0.0, 0.0]
    """
    check_method(method)
    return sr if method == "none" else match_colour_(sr.clone(), lr, method, clamp=clamp)


def match_colour_(sr: Tensor, lr: Tensor, method: ColourMethod, *, clamp: bool = True) -> Tensor:
    """Like `match_colour`, in place; needs extra memory for a strip of `sr` only."""
    check_method(method)
    if method == "none":
        return sr
    if method == "wavelet":
        return _match_low_frequencies(sr, lr, clamp)
    spread, middle = _statistics(sr)
    wanted_spread, wanted_middle = _statistics(lr)
    sr.sub_(middle).mul_(wanted_spread / spread).add_(wanted_middle)
    return sr.clamp_(0, 1) if clamp else sr


def _statistics(image: Tensor) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean of each channel, as StableSR, SeeSR and OSEDiff define them."""
    variance, mean = torch.var_mean(image, dim=(2, 3), keepdim=True)
    return variance.add_(1e-5).sqrt_(), mean


def _match_low_frequencies(sr: Tensor, lr: Tensor, clamp: bool) -> Tensor:
    """Adds the low frequencies of `lr - sr`; the decomposition is linear, so one suffices."""
    height = sr.shape[2]
    above = sr[:, :, :0]  # rows above the strip, before their change
    for start in range(0, height, _STRIP):
        stop = min(start + _STRIP, height)
        end = min(stop + _REACH, height)
        before = torch.cat([above, sr[:, :, start:end]], dim=2)
        first = start - above.shape[2]
        drift = _enlarged_rows(lr, first, end, sr.shape) - before
        above = before[:, :, : stop - first][:, :, -_REACH:].clone()
        low = low_frequencies(drift)[:, :, start - first : stop - first]
        strip = sr[:, :, start:stop].add_(low)
        if clamp:
            strip.clamp_(0, 1)
    return sr


def _enlarged_rows(lr: Tensor, first: int, end: int, shape: torch.Size) -> Tensor:
    """Returns rows `first` to `end - 1` of `lr` enlarged to `shape`."""
    scale, rest = divmod(shape[2], lr.shape[2])
    if rest:
        return bicubic_resize(lr, (shape[2], shape[3]))[:, :, first:end]
    top = max(0, first // scale - _KERNEL)
    bottom = min(lr.shape[2], -(-end // scale) + _KERNEL)
    rows = bicubic_resize(lr[:, :, top:bottom], ((bottom - top) * scale, shape[3]))
    return rows[:, :, first - top * scale : end - top * scale]


def check_method(method: str) -> None:
    """Raises `UsageError` unless the method is one of `COLOUR_METHODS`."""
    if method not in COLOUR_METHODS:
        raise UsageError(
            f"No colour method is called '{method}'",
            hint=f"Use --colour with one of {', '.join(COLOUR_METHODS)}",
        )


def low_frequencies(image: Tensor, levels: int = _LEVELS) -> Tensor:
    """Returns the residual of the à trous wavelet: smoothed by dilated kernels [1 2 1] / 4.

    Args:
        image: `[b, c, h, w]`; its edges are replicated.
        levels: Number of levels; the result depends on pixels up to `2 ** levels - 1` away.

    Source: M. Holschneider et al., A real-time algorithm for signal analysis with the help of the
    wavelet transform, 1989, with the linear spline.
    """
    for level in range(levels):
        hole = 2**level
        rows = nn.functional.pad(image, (0, 0, hole, hole), mode="replicate")
        image = (rows[..., : -2 * hole, :] + rows[..., 2 * hole :, :]).div_(2).add_(image).div_(2)
        columns = nn.functional.pad(image, (hole, hole, 0, 0), mode="replicate")
        image = (columns[..., : -2 * hole] + columns[..., 2 * hole :]).div_(2).add_(image).div_(2)
    return image
