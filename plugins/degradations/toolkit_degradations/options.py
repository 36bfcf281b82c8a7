"""Options, with the names of the published option files where they exist.

Defaults come from the files in `sets/`, which give their sources.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from toolkit.plugin import Options
from toolkit_degradations.history import (
    Beta,
    BlurShape,
    Codec,
    Factor,
    Quality,
    Sigma,
    Strength,
    Taps,
)
from toolkit_degradations.sets import SetName, read_set


def _ordered(bounds: tuple[Any, Any]) -> tuple[Any, Any]:
    if bounds[0] > bounds[1]:
        raise ValueError("the lower bound must come first")
    return bounds


def _around_one(bounds: tuple[float, float]) -> tuple[float, float]:
    if not bounds[0] <= 1 <= bounds[1]:
        raise ValueError("the range must contain 1")
    return bounds


def _some_positive(weights: tuple[float, ...]) -> tuple[float, ...]:
    if not sum(weights) > 0:
        raise ValueError("at least one weight must be above 0")
    return weights


_Probability = Annotated[float, Field(ge=0, le=1)]
_Weight = Annotated[float, Field(ge=0)]
_SigmaRange = Annotated[tuple[Sigma, Sigma], AfterValidator(_ordered)]
_StrengthRange = Annotated[tuple[Strength, Strength], AfterValidator(_ordered)]
_QualityRange = Annotated[tuple[Quality, Quality], AfterValidator(_ordered)]
_Sizes = Annotated[tuple[Taps, Taps], AfterValidator(_ordered)]
_BetaRange = Annotated[tuple[Beta, Beta], AfterValidator(_around_one)]
_FactorRange = Annotated[tuple[Factor, Factor], AfterValidator(_around_one)]
_Weights = Annotated[tuple[_Weight, ...], AfterValidator(_some_positive)]
_ThreeWeights = Annotated[tuple[_Weight, _Weight, _Weight], AfterValidator(_some_positive)]
_Shapes = Annotated[tuple[BlurShape, ...], Field(min_length=1)]
_Modes = Annotated[
    tuple[Literal["area", "bilinear", "bicubic", "antialiased"], ...], Field(min_length=1)
]

_X4PLUS = read_set("x4plus").options
_BSRGAN = read_set("bsrgan").options


class BicubicOptions(Options):
    """Options of `bicubic` and `recorded`."""

    scale: PositiveInt = 4
    """HR pixels per LR pixel, on a side."""


class NoiseOptions(BicubicOptions):
    """Options of `bicubic+noise`."""

    noise_range: _StrengthRange = (0.0, 50.0)
    """Range of the Gaussian noise's standard deviation in 8-bit levels, uniform; as for SRMD and
    blind DnCNN."""
    gray_noise_prob: _Probability = 0.0
    """Probability of the same noise in all channels."""


class JpegOptions(BicubicOptions):
    """Options of `jpeg`."""

    jpeg_range: _QualityRange = (30.0, 95.0)
    """Range of the JPEG quality, uniform; as in Real-ESRGAN and BSRGAN."""
    codec: Codec = "auto"
    """JPEG implementation: libjpeg or a differentiable one; auto is libjpeg on a CPU if no
    gradients are needed."""


class RealESRGANOptions(BicubicOptions):
    """Options of `realesrgan`; names for the second stage end in 2."""

    parameters: SetName = "x4plus"
    """Set in `sets/` that supplies the defaults of the other options."""
    codec: Codec = "auto"
    """JPEG implementation: libjpeg or a differentiable one, as in the published code; auto is
    libjpeg on a CPU if no gradients are needed."""
    sharpen: bool = _X4PLUS["sharpen"]
    """Whether to sharpen HR before degrading it."""
    sharpen_target: bool = _X4PLUS["sharpen_target"]
    """Whether to train against sharpened HR; open in the paper."""
    clean_prob: _Probability = _X4PLUS["clean_prob"]
    """Probability of bicubic downscaling only."""
    resize_modes: _Modes = _X4PLUS["resize_modes"]
    """Interpolations for all resizing steps, equally likely."""

    kernel_range: _Sizes = _X4PLUS["kernel_range"]
    """Smallest and largest kernel size in the first stage; odd sizes, equally likely."""
    kernel_list: _Shapes = _X4PLUS["kernel_list"]
    """Blur kernels of the first stage."""
    kernel_prob: _Weights = _X4PLUS["kernel_prob"]
    """Relative probabilities of the blur kernels."""
    sinc_prob: _Probability = _X4PLUS["sinc_prob"]
    """Probability of a sinc filter instead of a blur."""
    blur_sigma: _SigmaRange = _X4PLUS["blur_sigma"]
    """Range of the blur's standard deviation, in pixels."""
    betag_range: _BetaRange = _X4PLUS["betag_range"]
    """Range of the exponent of generalised Gaussians; below 1 with a probability of 0.5."""
    betap_range: _BetaRange = _X4PLUS["betap_range"]
    """Range of the exponent of plateau kernels; at most 1 with a probability of 0.5."""
    resize_prob: _ThreeWeights = _X4PLUS["resize_prob"]
    """Relative probabilities of upscaling, downscaling and neither."""
    resize_range: _FactorRange = _X4PLUS["resize_range"]
    """Range of the scale factor, relative to HR."""
    gaussian_noise_prob: _Probability = _X4PLUS["gaussian_noise_prob"]
    """Probability of Gaussian instead of Poisson noise."""
    noise_range: _StrengthRange = _X4PLUS["noise_range"]
    """Range of the Gaussian noise's standard deviation, in 8-bit levels."""
    poisson_scale_range: _StrengthRange = _X4PLUS["poisson_scale_range"]
    """Range of the scale of Poisson noise."""
    gray_noise_prob: _Probability = _X4PLUS["gray_noise_prob"]
    """Probability of the same noise in all channels."""
    jpeg_range: _QualityRange = _X4PLUS["jpeg_range"]
    """Range of the JPEG quality."""

    second_order_prob: _Probability = _X4PLUS["second_order_prob"]
    """Probability of the second stage, of which only the JPEG remains otherwise."""
    second_blur_prob: _Probability = _X4PLUS["second_blur_prob"]
    """Probability of a filter in the second stage."""
    kernel_range2: _Sizes = _X4PLUS["kernel_range2"]
    """As `kernel_range`."""
    kernel_list2: _Shapes = _X4PLUS["kernel_list2"]
    """As `kernel_list`."""
    kernel_prob2: _Weights = _X4PLUS["kernel_prob2"]
    """As `kernel_prob`."""
    sinc_prob2: _Probability = _X4PLUS["sinc_prob2"]
    """As `sinc_prob`."""
    blur_sigma2: _SigmaRange = _X4PLUS["blur_sigma2"]
    """As `blur_sigma`."""
    betag_range2: _BetaRange = _X4PLUS["betag_range2"]
    """As `betag_range`."""
    betap_range2: _BetaRange = _X4PLUS["betap_range2"]
    """As `betap_range`."""
    resize_prob2: _ThreeWeights = _X4PLUS["resize_prob2"]
    """As `resize_prob`."""
    resize_range2: _FactorRange = _X4PLUS["resize_range2"]
    """Range of the scale factor, relative to the final LR size."""
    gaussian_noise_prob2: _Probability = _X4PLUS["gaussian_noise_prob2"]
    """As `gaussian_noise_prob`."""
    noise_range2: _StrengthRange = _X4PLUS["noise_range2"]
    """As `noise_range`."""
    poisson_scale_range2: _StrengthRange = _X4PLUS["poisson_scale_range2"]
    """As `poisson_scale_range`."""
    gray_noise_prob2: _Probability = _X4PLUS["gray_noise_prob2"]
    """As `gray_noise_prob`."""
    jpeg_range2: _QualityRange = _X4PLUS["jpeg_range2"]
    """As `jpeg_range`."""

    final_sinc_prob: _Probability = _X4PLUS["final_sinc_prob"]
    """Probability of a sinc filter at the final size."""
    final_kernel_range: _Sizes = _X4PLUS["final_kernel_range"]
    """Smallest and largest size of this filter; odd sizes, equally likely."""
    final_jpeg_last_prob: _Probability = _X4PLUS["final_jpeg_last_prob"]
    """Probability that the last JPEG follows the final resize and sinc filter."""

    @property
    def source(self) -> str:
        """Source of the set's values."""
        return read_set(self.parameters).source

    @model_validator(mode="before")
    @classmethod
    def _fill_from_set(cls, values: Any) -> Any:
        name = values.get("parameters", "x4plus") if isinstance(values, dict) else None
        return {**read_set(name).options, **values} if name in get_args(SetName) else values

    @model_validator(mode="after")
    def _check_kernel_weights(self) -> Self:
        if len(self.kernel_prob) != len(self.kernel_list):
            raise ValueError("kernel_prob needs one weight for each entry of kernel_list")
        if len(self.kernel_prob2) != len(self.kernel_list2):
            raise ValueError("kernel_prob2 needs one weight for each entry of kernel_list2")
        return self


class BSRGANOptions(BicubicOptions):
    """Options of `bsrgan`."""

    codec: Codec = "auto"
    """JPEG implementation: libjpeg or a differentiable one; auto is libjpeg on a CPU if no
    gradients are needed."""
    half_first_prob: _Probability = _BSRGAN["half_first_prob"]
    """Probability of halving the image first, at scale 4."""
    half_antialiased_prob: _Probability = _BSRGAN["half_antialiased_prob"]
    """Probability that this halving is antialiased."""
    aniso_prob: _Probability = _BSRGAN["aniso_prob"]
    """Probability of an anisotropic blur, with variances of up to 4 + scale; the standard deviation
    of an isotropic blur is up to 2 + 0.2 · scale."""
    kernel_range: _Sizes = _BSRGAN["kernel_range"]
    """Smallest and largest blur kernel; odd sizes, equally likely."""
    down_resize_prob: _Probability = _BSRGAN["down_resize_prob"]
    """Probability of downscaling by interpolation, by up to twice the scale, instead of blur with a
    shifted Gaussian and decimation."""
    decimation_taps: Taps = _BSRGAN["decimation_taps"]
    """Taps of this Gaussian on a side; its standard deviation is 0.1 to 0.6 · scale."""
    resize_modes: _Modes = _BSRGAN["resize_modes"]
    """Interpolations, equally likely."""
    noise_range: _StrengthRange = _BSRGAN["noise_range"]
    """Range of the Gaussian noise's standard deviation, in whole 8-bit levels."""
    color_noise_prob: _Probability = _BSRGAN["color_noise_prob"]
    """Probability of independent noise per channel."""
    gray_noise_prob: _Probability = _BSRGAN["gray_noise_prob"]
    """Probability of the same noise in all channels; the rest is noise with random correlation."""
    jpeg_prob: _Probability = _BSRGAN["jpeg_prob"]
    """Probability of a JPEG among the shuffled steps; there is always one at the end."""
    jpeg_range: _QualityRange = _BSRGAN["jpeg_range"]
    """Range of the JPEG quality, integers."""

    @property
    def source(self) -> str:
        """Source of the values."""
        return read_set("bsrgan").source

    @model_validator(mode="after")
    def _check_noise_probabilities(self) -> Self:
        if self.color_noise_prob + self.gray_noise_prob > 1:
            raise ValueError("color_noise_prob and gray_noise_prob must not sum to more than 1")
        return self
