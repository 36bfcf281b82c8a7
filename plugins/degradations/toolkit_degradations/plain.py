"""Classical benchmark degradations: bicubic downscaling, alone or followed by noise or JPEG."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from toolkit.plugin import DataError
from toolkit_degradations.history import GaussianNoise, History, Resize
from toolkit_degradations.realesrgan import draw_jpeg, draw_seed

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from toolkit_degradations.options import JpegOptions, NoiseOptions

_TO_LR = Resize(mode="antialiased", of="lr")


def bicubic(rng: np.random.Generator) -> History:  # noqa: ARG001
    """Returns bicubic downscaling with antialiasing, like MATLAB's `imresize`."""
    return (_TO_LR,)


class BicubicNoise:
    """Bicubic downscaling, then Gaussian noise."""

    def __init__(self, options: NoiseOptions) -> None:
        self._options = options

    def __call__(self, rng: np.random.Generator) -> History:
        """Draws a history."""
        sigma = rng.uniform(*self._options.noise_range)
        gray = bool(rng.random() < self._options.gray_noise_prob)
        return (_TO_LR, GaussianNoise(sigma=sigma, gray=gray, seed=draw_seed(rng)))


class BicubicJpeg:
    """Bicubic downscaling, then JPEG."""

    def __init__(self, options: JpegOptions) -> None:
        self._options = options

    def __call__(self, rng: np.random.Generator) -> History:
        """Draws a history."""
        return (_TO_LR, draw_jpeg(self._options.jpeg_range, rng))


class Recorded:
    """Real LR images from the dataset; nothing is degraded."""

    recorded = True

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def __call__(self, hr: Tensor, rng: np.random.Generator) -> NoReturn:  # noqa: ARG002
        """Cannot degrade.

        Raises:
            DataError: Always.
        """
        raise DataError(
            "The degradation 'recorded' takes LR images from the dataset, but this image has none.",
            "Use pairs of images: --data pairs:DIR, or another degradation: --degradation NAME",
        )

    def target(self, hr: Tensor) -> Tensor:
        """Returns `hr`."""
        return hr
