"""Histories: the steps that degrade an image, with all their parameters, as frozen models.

A history does not depend on the image or its size. `to_data` converts it to JSON types, and
`read_history` validates and converts it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from toolkit.plugin import DataError, Options

BlurShape = Literal[
    "iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso"
]
"""Blur kernels, named as in Real-ESRGAN."""

ResizeMode = Literal["area", "bilinear", "bicubic", "antialiased", "nearest"]
"""Interpolations. "antialiased" is bicubic; except for it and "area", downscaling aliases, as
published."""

Codec = Literal["auto", "libjpeg", "differentiable"]
"""JPEG implementation: "auto" is libjpeg on a CPU if no gradients are needed."""


def _odd(taps: int) -> int:
    if taps % 2 == 0:
        raise ValueError("kernels have an odd number of taps")
    return taps


Taps = Annotated[int, Field(ge=3, le=51), AfterValidator(_odd)]
Sigma = Annotated[float, Field(ge=0.01, le=100)]
Beta = Annotated[float, Field(ge=0.05, le=20)]
Cutoff = Annotated[float, Field(ge=0.01, le=3.15)]
Factor = Annotated[float, Field(ge=0.001, le=8)]
Strength = Annotated[float, Field(ge=0, le=255)]
Quality = Annotated[float, Field(ge=1, le=100)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
_Row = tuple[float, float, float]


class Sharpen(Options):
    """Unsharp masking; see `operations.sharpen`."""

    step: Literal["sharpen"] = "sharpen"
    """Type of the step."""


class Blur(Options):
    """A blur with a kernel of the Gaussian family; see `kernels.blur_kernel`."""

    step: Literal["blur"] = "blur"
    """Type of the step."""
    shape: BlurShape
    """Family of the kernel."""
    size: Taps
    """Taps on a side, odd."""
    sigma: tuple[Sigma, Sigma]
    """Standard deviations along the two axes, in pixels; equal for the `iso` shapes."""
    rotation: float = 0.0
    """Angle of the first axis, in radians."""
    beta: Beta = 1.0
    """Exponent of the generalised and plateau shapes; 1 for the plain Gaussians."""
    shift: float = Field(default=0.0, ge=-16, le=16)
    """Offset of the kernel's centre from the middle tap, down and right, in pixels."""


class Sinc(Options):
    """A low-pass filter with ringing; see `kernels.sinc_kernel`."""

    step: Literal["sinc"] = "sinc"
    """Type of the step."""
    size: Taps
    """Taps on a side, odd."""
    cutoff: Cutoff
    """Cut-off frequency in radians per pixel; π is the Nyquist frequency."""


class Resize(Options):
    """Resampling to another size."""

    step: Literal["resize"] = "resize"
    """Type of the step."""
    mode: ResizeMode
    """The interpolation."""
    factor: Factor = 1.0
    """Scale factor relative to `of`; the resulting size is rounded down."""
    of: Literal["image", "lr"] = "image"
    """Reference size: that of the image before this step, or of the final LR image."""


class GaussianNoise(Options):
    """Additive Gaussian noise, followed by clipping to [0, 1]."""

    step: Literal["gaussian"] = "gaussian"
    """Type of the step."""
    sigma: Strength
    """Standard deviation in 8-bit levels."""
    gray: bool = False
    """The same noise in all three channels."""
    covariance: tuple[_Row, _Row, _Row] | None = None
    """Covariance of the channels, symmetric, in units of sigma²; None for independent channels."""
    seed: Seed
    """Of the stream that the noise itself comes from."""


class PoissonNoise(Options):
    """Poisson noise (shot noise), followed by clipping to [0, 1]."""

    step: Literal["poisson"] = "poisson"
    """Type of the step."""
    scale: Strength
    """Scale of the noise."""
    gray: bool = False
    """The same noise in all three channels."""
    seed: Seed
    """Of the stream that the noise itself comes from."""


class Jpeg(Options):
    """JPEG compression, 4:2:0."""

    step: Literal["jpeg"] = "jpeg"
    """Type of the step."""
    quality: Quality
    """Quality on libjpeg's scale; libjpeg rounds it to an integer."""


class Clip(Options):
    """Clipping to [0, 1]."""

    step: Literal["clip"] = "clip"
    """Type of the step."""


Step = Sharpen | Blur | Sinc | Resize | GaussianNoise | PoissonNoise | Jpeg | Clip
History = tuple[Step, ...]
"""Steps in order of application."""

_READER: TypeAdapter[History] = TypeAdapter(
    tuple[Annotated[Step, Field(discriminator="step")], ...]
)


def to_data(history: Iterable[Step]) -> list[dict[str, Any]]:
    """Converts a history to JSON types.

    Example:
        >>> to_data([Jpeg(quality=60)])
        [{'step': 'jpeg', 'quality': 60.0}]
    """
    return [step.model_dump(mode="json", exclude_none=True) for step in history]


def read_history(data: Sequence[Step | Mapping[str, Any]]) -> History:
    """Validates and converts the output of `to_data`, possibly edited.

    Raises:
        DataError: A step is unknown, or a value is missing, unknown or out of range.

    Example:
        >>> read_history([{"step": "jpeg", "quality": 60}])
        (Jpeg(step='jpeg', quality=60.0),)
    """
    try:
        return _READER.validate_python(tuple(data))
    except (ValidationError, TypeError) as error:
        if isinstance(error, TypeError):
            raise DataError(
                "a history must be a list of steps", "See the output of describe()."
            ) from None
        first = error.errors()[0]
        location = " ".join(str(part) for part in first["loc"])
        raise DataError(
            f"invalid history: step {location}: {first['msg']}",
            "Correct it, or start from the output of describe().",
        ) from None
