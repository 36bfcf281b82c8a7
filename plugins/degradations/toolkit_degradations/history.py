"""What was done to one image, step by step: plain frozen values, stored, shown, edited, applied.

The image's size plays no part: the same history can degrade any image. `to_data` turns one into
JSON's types, and `read_history` takes them back, checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from toolkit.component import Options
from toolkit.errors import DataError

BlurShape = Literal[
    "iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso"
]
"""Real-ESRGAN's names of the Gaussian kernels and their relatives."""

ResizeMode = Literal["area", "bilinear", "bicubic", "antialiased", "nearest"]
"""All but "antialiased", which is bicubic too, and "area" alias when they shrink, as published."""

Codec = Literal["auto", "libjpeg", "differentiable"]
"""Which JPEG: auto is libjpeg on a processor, where no gradients are asked for."""


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
    """Which kind of step."""


class Blur(Options):
    """A filter with a kernel of the Gaussian family; see `kernels.blur_kernel`."""

    step: Literal["blur"] = "blur"
    """Which kind of step."""
    shape: BlurShape
    """Which family."""
    size: Taps
    """Taps on a side, odd."""
    sigma: tuple[Sigma, Sigma]
    """Standard deviations along the two axes, in pixels; equal for the `iso` shapes."""
    rotation: float = 0.0
    """Of the first axis, in radians."""
    beta: Beta = 1.0
    """Exponent of the generalised and plateau shapes; 1 for the plain Gaussians."""
    shift: float = Field(default=0.0, ge=-16, le=16)
    """How far the kernel's centre lies down and right of the middle tap, in pixels."""


class Sinc(Options):
    """A low-pass filter that rings; see `kernels.sinc_kernel`."""

    step: Literal["sinc"] = "sinc"
    """Which kind of step."""
    size: Taps
    """Taps on a side, odd."""
    cutoff: Cutoff
    """In radians per pixel; π keeps all that the pixel grid can hold along an axis."""


class Resize(Options):
    """A change of size."""

    step: Literal["resize"] = "resize"
    """Which kind of step."""
    mode: ResizeMode
    """The interpolation."""
    factor: Factor = 1.0
    """Applied to the size that `of` names; the result is rounded down."""
    of: Literal["image", "lr"] = "image"
    """The size as it is before this step, or that of the final LR image."""


class GaussianNoise(Options):
    """Normally distributed values, added to every pixel; then clipped to [0, 1]."""

    step: Literal["gaussian"] = "gaussian"
    """Which kind of step."""
    sigma: Strength
    """Standard deviation in 8-bit levels."""
    gray: bool = False
    """The same noise in all three channels."""
    covariance: tuple[_Row, _Row, _Row] | None = None
    """How the channels' noise goes together, symmetric, in units of sigma²; None for apart."""
    seed: Seed
    """Of the stream that the noise itself comes from."""


class PoissonNoise(Options):
    """The error of counting photons, added to every pixel; then clipped to [0, 1]."""

    step: Literal["poisson"] = "poisson"
    """Which kind of step."""
    scale: Strength
    """Factor on the noise."""
    gray: bool = False
    """The same noise in all three channels."""
    seed: Seed
    """Of the stream that the noise itself comes from."""


class Jpeg(Options):
    """Compression to JPEG and back, 4:2:0."""

    step: Literal["jpeg"] = "jpeg"
    """Which kind of step."""
    quality: Quality
    """libjpeg's scale; libjpeg itself takes the nearest integer."""


class Clip(Options):
    """Values below 0 become 0, those above 1 become 1."""

    step: Literal["clip"] = "clip"
    """Which kind of step."""


Step = Sharpen | Blur | Sinc | Resize | GaussianNoise | PoissonNoise | Jpeg | Clip
History = tuple[Step, ...]
"""All that decides how one image is degraded, in the order in which it happens."""

_READER: TypeAdapter[History] = TypeAdapter(
    tuple[Annotated[Step, Field(discriminator="step")], ...]
)


def to_data(history: Iterable[Step]) -> list[dict[str, Any]]:
    """A history as JSON's types.

    Example:
        >>> to_data([Jpeg(quality=60)])
        [{'step': 'jpeg', 'quality': 60.0}]
    """
    return [step.model_dump(mode="json", exclude_none=True) for step in history]


def read_history(data: Sequence[Step | Mapping[str, Any]]) -> History:
    """A history from what `to_data` gave, perhaps edited since.

    Raises:
        DataError: A step is unknown, or a value of it missing, unknown or out of range.

    Example:
        >>> read_history([{"step": "jpeg", "quality": 60}])
        (Jpeg(step='jpeg', quality=60.0),)
    """
    try:
        return _READER.validate_python(tuple(data))
    except (ValidationError, TypeError) as error:
        if isinstance(error, TypeError):
            raise DataError("a history is a list of steps", "See what describe() gives.") from None
        first = error.errors()[0]
        where = " ".join(str(part) for part in first["loc"])
        raise DataError(
            f"the history cannot be applied: step {where}: {first['msg']}",
            "Edit it, or take what describe() gives.",
        ) from None
