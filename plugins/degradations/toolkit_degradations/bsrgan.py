"""BSRGAN's pipeline: two blurs, two downscalings, noise and JPEG in random order, then a JPEG.

Source: Zhang et al., "Designing a Practical Degradation Model for Deep Blind Image
Super-Resolution", 2021, section 3 and its published code.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from toolkit_degradations.history import (
    Blur,
    Clip,
    GaussianNoise,
    History,
    Jpeg,
    Resize,
    ResizeMode,
)
from toolkit_degradations.realesrgan import draw_seed, draw_size

if TYPE_CHECKING:
    from toolkit_degradations.options import BSRGANOptions

_MIN_SIGMA = 0.01
_CORRELATED_SIGMA = 25.0
"""Standard deviation of noise with correlated channels, in 8-bit levels."""


class BSRGAN:
    """Draws the history of one image from a random stream.

    Args:
        options: Distributions of all parameters.
    """

    def __init__(self, options: BSRGANOptions) -> None:
        self._options = options

    def __call__(self, rng: np.random.Generator) -> History:
        """Draws a history."""
        options, scale = self._options, self._options.scale
        prefix: History = ()
        if scale == 4 and rng.random() < options.half_first_prob:
            smooth = rng.random() < options.half_antialiased_prob
            mode: ResizeMode = "antialiased" if smooth else self._mode(rng)
            prefix, scale = (Resize(mode=mode, factor=0.5), Clip()), 2
        to_lr = Resize(mode=self._mode(rng), of="lr")
        parts: list[History] = [
            (self._blur(scale, rng),),
            (self._blur(scale, rng),),
            self._downscale(scale, rng),
            (to_lr, Clip()),
            (self._noise(rng),),
            (self._jpeg(rng),) if rng.random() < options.jpeg_prob else (),
        ]
        order = rng.permutation(len(parts)).tolist()
        downscale, final = order.index(2), order.index(3)
        if downscale > final:  # the resize to the LR size comes last
            order[downscale], order[final] = order[final], order[downscale]
        shuffled = [step for index in order for step in parts[index]]
        return (*prefix, *shuffled, self._jpeg(rng))

    def _blur(self, scale: int, rng: np.random.Generator) -> Blur:
        options = self._options
        size = draw_size(options.kernel_range, rng)
        if rng.random() < options.aniso_prob:
            variances = rng.uniform(0, 4 + scale, 2)
            first, second = (max(_MIN_SIGMA, math.sqrt(variance)) for variance in variances)
            angle = rng.uniform(0, math.pi)
            return Blur(shape="aniso", size=size, sigma=(first, second), rotation=angle)
        sigma = max(_MIN_SIGMA, rng.uniform(0, 2 + 0.2 * scale))
        return Blur(shape="iso", size=size, sigma=(sigma, sigma))

    def _downscale(self, scale: int, rng: np.random.Generator) -> History:
        options = self._options
        if rng.random() < options.down_resize_prob:
            factor = 1 / rng.uniform(1, 2 * scale)
            return (Resize(mode=self._mode(rng), factor=factor), Clip())
        sigma = rng.uniform(0.1, 0.6 * scale)
        blur = Blur(
            shape="iso", size=options.decimation_taps, sigma=(sigma, sigma), shift=(scale - 1) / 2
        )
        return (blur, Resize(mode="nearest", factor=1 / scale), Clip())

    def _noise(self, rng: np.random.Generator) -> GaussianNoise:
        sigma = _draw_integer(self._options.noise_range, rng)
        kind = rng.random()
        if kind < self._options.gray_noise_prob:
            return GaussianNoise(sigma=sigma, gray=True, seed=draw_seed(rng))
        if kind < self._options.gray_noise_prob + self._options.color_noise_prob:
            return GaussianNoise(sigma=sigma, seed=draw_seed(rng))
        covariance = _draw_covariance(rng)
        return GaussianNoise(sigma=_CORRELATED_SIGMA, covariance=covariance, seed=draw_seed(rng))

    def _jpeg(self, rng: np.random.Generator) -> Jpeg:
        return Jpeg(quality=_draw_integer(self._options.jpeg_range, rng))

    def _mode(self, rng: np.random.Generator) -> ResizeMode:
        modes = self._options.resize_modes
        return modes[rng.integers(len(modes))]


def _draw_integer(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    """Draws an integer within the bounds; if there is none, the lower bound rounded up."""
    lowest, highest = math.ceil(bounds[0]), math.floor(bounds[1])
    return float(rng.integers(lowest, max(lowest, highest) + 1))


def _draw_covariance(
    rng: np.random.Generator,
) -> tuple[tuple[float, float, float], ...]:
    """Draws variances in [0, 1] along random directions in RGB; drops signs, as published."""
    directions = np.linalg.svd(rng.random((3, 3)))[0]
    mixed = np.abs(directions.T @ np.diag(rng.random(3)) @ directions)
    return tuple((float(a), float(b), float(c)) for a, b, c in (mixed + mixed.T) / 2)
