"""What was done to one image: plain frozen values that can be stored, shown and applied again.

The image's size plays no part: the same history can degrade any image. `dataclasses.asdict` turns
one into JSON's types, and `pydantic.TypeAdapter(History)` reads it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BlurShape = Literal[
    "iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso"
]
"""Real-ESRGAN's names of the Gaussian kernels and their relatives."""

ResizeMode = Literal["area", "bilinear", "bicubic"]


@dataclass(frozen=True, kw_only=True)
class Blur:
    """A filter with a kernel of the Gaussian family; see `kernels.blur_kernel`.

    Attributes:
        shape: Which family.
        size: Taps on a side, odd.
        sigma: Standard deviations along the two axes, in pixels; equal for the `iso` shapes.
        rotation: Of the first axis, in radians.
        beta: Exponent of the generalised and plateau shapes; 1 for the plain Gaussians.
    """

    shape: BlurShape
    size: int
    sigma: tuple[float, float]
    rotation: float = 0.0
    beta: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Sinc:
    """A low-pass filter that rings; see `kernels.sinc_kernel`.

    Attributes:
        size: Taps on a side, odd.
        cutoff: In radians per pixel; π keeps all that the pixel grid can hold along an axis.
    """

    size: int
    cutoff: float


@dataclass(frozen=True, kw_only=True)
class Resize:
    """A change of size.

    Attributes:
        factor: Applied to the size that the stage starts from; see `pipeline.RealESRGAN.apply`.
        mode: The interpolation.
    """

    factor: float
    mode: ResizeMode


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Random values added to every pixel.

    Attributes:
        kind: Which distribution.
        strength: Gaussian: standard deviation in 8-bit levels. Poisson: factor on the shot noise.
        gray: The same noise in all three channels.
        seed: Of the stream that the noise itself comes from.
    """

    kind: Literal["gaussian", "poisson"]
    strength: float
    gray: bool
    seed: int


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One round of the classical degradation: blur, resize, noise, JPEG.

    Attributes:
        blur: None where the stage does not blur.
        resize: The change of size.
        noise: The noise.
        jpeg_quality: libjpeg's quality, 1 to 100.
    """

    blur: Blur | Sinc | None
    resize: Resize
    noise: Noise
    jpeg_quality: int


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the image comes to its final size.

    Attributes:
        mode: The interpolation to the final size.
        sinc: None where no sinc filter follows.
        jpeg_last: Resize and sinc before the second stage's JPEG; otherwise after it.
    """

    mode: ResizeMode
    sinc: Sinc | None
    jpeg_last: bool


@dataclass(frozen=True, kw_only=True)
class History:
    """All that decides how one image is degraded, in the order it happens."""

    first: Stage
    second: Stage
    ending: Ending
