"""Real-ESRGAN's pipeline: blur, resize, noise and JPEG, twice, with sinc filters.

Source: Real-ESRGAN (Wang et al., 2021), figure 2. The order of steps, the cut-offs of sinc filters
and the equal split of exponents below and above 1 follow its published code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from toolkit_degradations.history import (
    Blur,
    BlurShape,
    GaussianNoise,
    History,
    Jpeg,
    PoissonNoise,
    Resize,
    ResizeMode,
    Sharpen,
    Sinc,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from toolkit_degradations.options import RealESRGANOptions

Range = tuple[float, float]
"""Bounds of a uniform distribution."""

_SMALL_SINC: Final = 13
"""Smaller sinc kernels have too few taps for a low cut-off."""
_SEEDS: Final = 2**53
"""Integers up to here are exact in every JSON implementation."""


@dataclass(frozen=True)
class Stage:
    """Parameters of one round of blur, resize, noise and JPEG; see `RealESRGANOptions`."""

    kernel_range: tuple[int, int]
    kernel_list: tuple[BlurShape, ...]
    kernel_prob: tuple[float, ...]
    sinc_prob: float
    blur_sigma: Range
    betag_range: Range
    betap_range: Range
    resize_prob: tuple[float, float, float]
    resize_range: Range
    gaussian_noise_prob: float
    noise_range: Range
    poisson_scale_range: Range
    gray_noise_prob: float
    jpeg_range: Range


class RealESRGAN:
    """Draws the history of one image from a random stream.

    Args:
        options: Distributions of all parameters.
    """

    def __init__(self, options: RealESRGANOptions) -> None:
        self._options = options
        self._first, self._second = (
            Stage(**{field.name: getattr(options, field.name + suffix) for field in fields(Stage)})
            for suffix in ("", "2")
        )

    def __call__(self, rng: np.random.Generator) -> History:
        """Draws a history."""
        options, first, second = self._options, self._first, self._second
        sharpened = (Sharpen(),) if options.sharpen else ()
        if rng.random() < options.clean_prob:
            return (*sharpened, Resize(mode="antialiased", of="lr"))
        steps: History = (*sharpened, draw_filter(first, rng), self._resize(first, "image", rng))
        steps += (draw_noise(first, rng), draw_jpeg(first.jpeg_range, rng))
        if rng.random() < options.second_order_prob:
            if rng.random() < options.second_blur_prob:
                steps += (draw_filter(second, rng),)
            steps += (self._resize(second, "lr", rng), draw_noise(second, rng))
        jpeg = draw_jpeg(second.jpeg_range, rng)
        to_lr = self._to_lr(rng)
        jpeg_last = rng.random() < options.final_jpeg_last_prob
        return steps + ((*to_lr, jpeg) if jpeg_last else (jpeg, *to_lr))

    def _resize(self, stage: Stage, of: str, rng: np.random.Generator) -> Resize:
        lowest, highest = stage.resize_range
        bounds = ((1.0, highest), (lowest, 1.0), (1.0, 1.0))[choose(stage.resize_prob, rng)]
        factor = rng.uniform(*bounds)
        return Resize.model_validate({"mode": self._mode(rng), "factor": factor, "of": of})

    def _to_lr(self, rng: np.random.Generator) -> History:
        resize = Resize(mode=self._mode(rng), of="lr")
        if rng.random() >= self._options.final_sinc_prob:
            return (resize,)
        size = draw_size(self._options.final_kernel_range, rng)
        return (resize, Sinc(size=size, cutoff=rng.uniform(math.pi / 3, math.pi)))

    def _mode(self, rng: np.random.Generator) -> ResizeMode:
        modes = self._options.resize_modes
        return modes[rng.integers(len(modes))]


def draw_filter(stage: Stage, rng: np.random.Generator) -> Blur | Sinc:
    """Draws a blur or a sinc filter."""
    size = draw_size(stage.kernel_range, rng)
    if rng.random() < stage.sinc_prob:
        lowest = math.pi / 3 if size < _SMALL_SINC else math.pi / 5
        return Sinc(size=size, cutoff=rng.uniform(lowest, math.pi))
    shape = stage.kernel_list[choose(stage.kernel_prob, rng)]
    anisotropic = shape in {"aniso", "generalized_aniso", "plateau_aniso"}
    sigma = rng.uniform(*stage.blur_sigma)
    if shape in {"iso", "aniso"}:
        beta = 1.0
    else:
        plateau = shape in {"plateau_iso", "plateau_aniso"}
        beta = _draw_around_one(stage.betap_range if plateau else stage.betag_range, rng)
    return Blur(
        shape=shape,
        size=size,
        sigma=(sigma, rng.uniform(*stage.blur_sigma) if anisotropic else sigma),
        rotation=rng.uniform(-math.pi, math.pi) if anisotropic else 0.0,
        beta=beta,
    )


def draw_noise(stage: Stage, rng: np.random.Generator) -> GaussianNoise | PoissonNoise:
    """Draws type, strength and seed of the noise."""
    gaussian = rng.random() < stage.gaussian_noise_prob
    strength = rng.uniform(*(stage.noise_range if gaussian else stage.poisson_scale_range))
    gray = bool(rng.random() < stage.gray_noise_prob)
    seed = draw_seed(rng)
    if gaussian:
        return GaussianNoise(sigma=strength, gray=gray, seed=seed)
    return PoissonNoise(scale=strength, gray=gray, seed=seed)


def draw_jpeg(qualities: Range, rng: np.random.Generator) -> Jpeg:
    """Draws a JPEG step."""
    return Jpeg(quality=rng.uniform(*qualities))


def draw_size(sizes: tuple[int, int], rng: np.random.Generator) -> int:
    """Draws an odd size within inclusive bounds."""
    smallest, largest = sizes
    return smallest + 2 * int(rng.integers((largest - smallest) // 2 + 1))


def draw_seed(rng: np.random.Generator) -> int:
    """Draws a seed for noise."""
    return int(rng.integers(_SEEDS))


def choose(weights: Sequence[float], rng: np.random.Generator) -> int:
    """Draws an index with probability proportional to its weight."""
    point = rng.random() * sum(weights)
    for index, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return index
    return max(index for index, weight in enumerate(weights) if weight > 0)


def _draw_around_one(bounds: Range, rng: np.random.Generator) -> float:
    """Draws uniformly below or above 1 with equal probability, as published."""
    lowest, highest = bounds
    return rng.uniform(lowest, 1.0) if rng.random() < 0.5 else rng.uniform(1.0, highest)
