"""From ranges and probabilities to the history of one image.

Source: the order, the ranges and the odds are those of Real-ESRGAN's published training; what its
option files leave open (the sinc filters' cut-offs, the halves on either side of beta = 1) is
named here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from toolkit_degradations.history import (
    Blur,
    BlurShape,
    Ending,
    History,
    Noise,
    Resize,
    ResizeMode,
    Sinc,
    Stage,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

Range = tuple[float, float]
"""Lowest and highest value, uniform between them."""

_SMALL_SINC: Final = 13
"""Sinc kernels below this size have too few taps for a low cut-off."""
_SEEDS: Final = 2**53
"""Seeds stay exact in any reader of JSON."""


@dataclass(frozen=True, kw_only=True)
class BlurRanges:
    """What a stage's filter is drawn from.

    Attributes:
        probability: That the stage filters at all.
        shapes: The Gaussian family's members to choose from.
        weights: How often each is chosen, relative to the others.
        sinc_probability: That a sinc filter takes the place of a blur.
        sigma: Standard deviation along each axis, in pixels.
        generalized_beta: Exponent of the generalised shapes, around 1.
        plateau_beta: Exponent of the plateau shapes, around 1.
        sizes: Smallest and largest kernel, in taps on a side, both odd.
    """

    probability: float
    shapes: tuple[BlurShape, ...]
    weights: tuple[float, ...]
    sinc_probability: float
    sigma: Range
    generalized_beta: Range
    plateau_beta: Range
    sizes: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class StageRanges:
    """What one round of blur, resize, noise and JPEG is drawn from.

    Attributes:
        blur: For the filter.
        resize_weights: How often to enlarge, to shrink and to keep the size, relative.
        resize: Lowest factor to shrink by and highest to enlarge by, around 1.
        modes: The interpolations, equally likely.
        gaussian_probability: That the noise is Gaussian; otherwise it is Poisson.
        gaussian_sigma: Standard deviation of Gaussian noise, in 8-bit levels.
        poisson_scale: Factor on Poisson noise.
        gray_probability: That the noise is the same in all channels.
        jpeg_quality: libjpeg's quality, rounded to an integer once drawn.
    """

    blur: BlurRanges
    resize_weights: tuple[float, float, float]
    resize: Range
    modes: tuple[ResizeMode, ...]
    gaussian_probability: float
    gaussian_sigma: Range
    poisson_scale: Range
    gray_probability: float
    jpeg_quality: Range


@dataclass(frozen=True, kw_only=True)
class EndingRanges:
    """What the last steps are drawn from.

    Attributes:
        modes: The interpolations to the final size, equally likely.
        sinc_probability: That a sinc filter follows the resizing.
        sizes: Smallest and largest sinc kernel, in taps on a side, both odd.
        jpeg_last_probability: That JPEG comes after resize and sinc, not before.
    """

    modes: tuple[ResizeMode, ...]
    sinc_probability: float
    sizes: tuple[int, int]
    jpeg_last_probability: float


def draw_history(
    first: StageRanges, second: StageRanges, ending: EndingRanges, rng: np.random.Generator
) -> History:
    """Draws everything about one image's degradation; `rng` alone decides."""
    return History(
        first=draw_stage(first, rng),
        second=draw_stage(second, rng),
        ending=draw_ending(ending, rng),
    )


def draw_stage(ranges: StageRanges, rng: np.random.Generator) -> Stage:
    """Draws one round of blur, resize, noise and JPEG."""
    return Stage(
        blur=_draw_filter(ranges.blur, rng),
        resize=_draw_resize(ranges, rng),
        noise=_draw_noise(ranges, rng),
        jpeg_quality=round(rng.uniform(*ranges.jpeg_quality)),
    )


def draw_ending(ranges: EndingRanges, rng: np.random.Generator) -> Ending:
    """Draws how the image comes to its final size."""
    sinc = None
    if rng.random() < ranges.sinc_probability:
        cutoff = rng.uniform(math.pi / 3, math.pi)
        sinc = Sinc(size=_draw_size(ranges.sizes, rng), cutoff=cutoff)
    return Ending(
        mode=ranges.modes[rng.integers(len(ranges.modes))],
        sinc=sinc,
        jpeg_last=bool(rng.random() < ranges.jpeg_last_probability),
    )


def _draw_filter(ranges: BlurRanges, rng: np.random.Generator) -> Blur | Sinc | None:
    if rng.random() >= ranges.probability:
        return None
    size = _draw_size(ranges.sizes, rng)
    if rng.random() < ranges.sinc_probability:
        lowest = math.pi / 3 if size < _SMALL_SINC else math.pi / 5
        return Sinc(size=size, cutoff=rng.uniform(lowest, math.pi))
    shape = ranges.shapes[_choose(ranges.weights, rng)]
    sigma = rng.uniform(*ranges.sigma)
    turned = shape in {"aniso", "generalized_aniso", "plateau_aniso"}
    if shape in {"iso", "aniso"}:
        beta = 1.0
    else:
        plateau = shape in {"plateau_iso", "plateau_aniso"}
        beta = _draw_around_one(ranges.plateau_beta if plateau else ranges.generalized_beta, rng)
    return Blur(
        shape=shape,
        size=size,
        sigma=(sigma, rng.uniform(*ranges.sigma) if turned else sigma),
        rotation=rng.uniform(-math.pi, math.pi) if turned else 0.0,
        beta=beta,
    )


def _draw_resize(ranges: StageRanges, rng: np.random.Generator) -> Resize:
    lowest, highest = ranges.resize
    bounds = ((1.0, highest), (lowest, 1.0), (1.0, 1.0))[_choose(ranges.resize_weights, rng)]
    mode = ranges.modes[rng.integers(len(ranges.modes))]
    return Resize(factor=rng.uniform(*bounds), mode=mode)


def _draw_noise(ranges: StageRanges, rng: np.random.Generator) -> Noise:
    gaussian = rng.random() < ranges.gaussian_probability
    return Noise(
        kind="gaussian" if gaussian else "poisson",
        strength=rng.uniform(*(ranges.gaussian_sigma if gaussian else ranges.poisson_scale)),
        gray=bool(rng.random() < ranges.gray_probability),
        seed=int(rng.integers(_SEEDS)),
    )


def _draw_size(sizes: tuple[int, int], rng: np.random.Generator) -> int:
    smallest, largest = sizes
    return smallest + 2 * int(rng.integers((largest - smallest) // 2 + 1))


def _draw_around_one(bounds: Range, rng: np.random.Generator) -> float:
    """Below 1 half of the time, so that a range like (0.5, 4) is not nearly all above it."""
    lowest, highest = bounds
    return rng.uniform(lowest, 1.0) if rng.random() < 0.5 else rng.uniform(1.0, highest)


def _choose(weights: Sequence[float], rng: np.random.Generator) -> int:
    total = sum(weights)
    return int(rng.choice(len(weights), p=[weight / total for weight in weights]))
