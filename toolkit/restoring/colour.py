"""Corrects colours of SR images that drifted from their LR images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from toolkit.errors import UsageError
from toolkit.images import bicubic_rows
from toolkit.restoring.tiles import joined

ColourMethod = Literal["wavelet", "adain", "none"]
COLOUR_METHODS: tuple[ColourMethod, ...] = get_args(ColourMethod)


_STRIP = 96
"""Rows processed at a time, to save memory."""
_LEVELS = 5
_REACH = 2**_LEVELS - 1
"""Radius in rows of the low-pass filter."""


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
    if method == "none":
        return sr
    return torch.cat(list(matched_strips(iter([sr]), lr, sr.shape[-2:], method, clamp=clamp)), 2)


def matched_strips(
    strips: Iterator[Tensor],
    lr: Tensor,
    size: tuple[int, int] | torch.Size,
    method: ColourMethod,
    *,
    clamp: bool = True,
) -> Iterator[Tensor]:
    """Does what `match_colour` does with an image that comes in strips of rows.

    `wavelet` holds a few strips at a time, `adain` the whole image.

    Args:
        strips: Parts of SR images, `[b, 3, rows, W]`, from top to bottom.
        lr: `[b, 3, h, w]`, in [0, 1].
        size: The SR images' H and W.
        method: One of `COLOUR_METHODS`.
        clamp: Whether the result is clamped to [0, 1], unless the method is `none`.
    """
    check_method(method)
    if method == "none":
        return strips
    by = _by_wavelet if method == "wavelet" else _by_statistics
    matched = by(strips, lr, size)
    return (strip.clamp_(0, 1) for strip in matched) if clamp else matched


def _by_statistics(
    strips: Iterator[Tensor], lr: Tensor, size: tuple[int, int] | torch.Size
) -> Iterator[Tensor]:
    sr = joined(strips, size[0])
    spread, middle = _statistics(sr)
    wanted_spread, wanted_middle = _statistics(lr)
    for strip in torch.split(sr, _STRIP, 2):
        yield ((strip - middle) * (wanted_spread / spread)).add_(wanted_middle)


def _statistics(image: Tensor) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean of each channel, as StableSR, SeeSR and OSEDiff define them."""
    variance, mean = torch.var_mean(image, dim=(2, 3), keepdim=True)
    return variance.add_(1e-5).sqrt_(), mean


def _by_wavelet(
    strips: Iterator[Tensor], lr: Tensor, size: tuple[int, int] | torch.Size
) -> Iterator[Tensor]:
    """Adds the low frequencies of `lr - sr`; the decomposition is linear, so one suffices."""
    height, width = size
    held, top, done = lr.new_zeros(*lr.shape[:2], 0, width), 0, 0  # rows, from row `top` on
    for strip in strips:
        held = torch.cat([held, strip], 2)
        while done < height:
            stop = min(done + _STRIP, height)
            end = min(stop + _REACH, height)
            if end > top + held.shape[2]:
                break
            drift = bicubic_rows(lr, (height, width), top, end) - held[:, :, : end - top]
            rows = slice(done - top, stop - top)
            yield held[:, :, rows] + low_frequencies(drift)[:, :, rows]
            kept = max(0, stop - _REACH)
            held, top, done = held[:, :, kept - top :], kept, stop


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
