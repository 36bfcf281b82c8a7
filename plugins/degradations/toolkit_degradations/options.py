"""The options, under the names of the published option files where these have names.

Defaults are those of the sets in `sets/`, which say where each value comes from.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from toolkit.component import Options
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
        raise ValueError("the lower bound comes first")
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
    """Gaussian noise's standard deviation in 8-bit levels, uniform between. As in SRMD and DnCNN's
    blind training."""
    gray_noise_prob: _Probability = 0.0
    """Chance that the noise is the same in all channels."""


class JpegOptions(BicubicOptions):
    """Options of `jpeg`."""

    jpeg_range: _QualityRange = (30.0, 95.0)
    """JPEG quality, uniform between. As in Real-ESRGAN and BSRGAN."""
    codec: Codec = "auto"
    """Which JPEG: libjpeg's own, or a differentiable one; auto is libjpeg on a processor."""


class RealESRGANOptions(BicubicOptions):
    """Options of `realesrgan`: those of its second stage end in 2."""

    parameters: SetName = "x4plus"
    """Whose values the other options have unless they are given: a file in `sets/`."""
    codec: Codec = "auto"
    """Which JPEG: libjpeg's own, or a differentiable one, which the published training has; auto
    is libjpeg on a processor, where no gradients are asked for."""
    sharpen: bool = _X4PLUS["sharpen"]
    """Sharpen HR before degrading it."""
    sharpen_target: bool = _X4PLUS["sharpen_target"]
    """Train against sharpened HR; the DFOSD paper does not say."""
    clean_prob: _Probability = _X4PLUS["clean_prob"]
    """Chance that nothing happens but a bicubic resize."""
    resize_modes: _Modes = _X4PLUS["resize_modes"]
    """Interpolations, equally likely, for every resizing."""

    kernel_range: _Sizes = _X4PLUS["kernel_range"]
    """Smallest and largest kernel of the first stage, odd sizes, equally likely."""
    kernel_list: _Shapes = _X4PLUS["kernel_list"]
    """First stage's blur kernels."""
    kernel_prob: _Weights = _X4PLUS["kernel_prob"]
    """How often each is chosen, relative."""
    sinc_prob: _Probability = _X4PLUS["sinc_prob"]
    """Chance of a sinc filter in place of a blur."""
    blur_sigma: _SigmaRange = _X4PLUS["blur_sigma"]
    """Standard deviation of the blur, in pixels."""
    betag_range: _BetaRange = _X4PLUS["betag_range"]
    """Exponent of generalised Gaussians, half of them below 1."""
    betap_range: _BetaRange = _X4PLUS["betap_range"]
    """Exponent of plateau kernels, half of them below 1 (or at it)."""
    resize_prob: _ThreeWeights = _X4PLUS["resize_prob"]
    """How often to enlarge, shrink, keep, relative."""
    resize_range: _FactorRange = _X4PLUS["resize_range"]
    """Lowest and highest factor, of HR's size."""
    gaussian_noise_prob: _Probability = _X4PLUS["gaussian_noise_prob"]
    """Chance of Gaussian noise, else Poisson."""
    noise_range: _StrengthRange = _X4PLUS["noise_range"]
    """Gaussian noise's standard deviation in 8-bit levels."""
    poisson_scale_range: _StrengthRange = _X4PLUS["poisson_scale_range"]
    """Factor on Poisson noise."""
    gray_noise_prob: _Probability = _X4PLUS["gray_noise_prob"]
    """Chance that the noise is the same in all channels."""
    jpeg_range: _QualityRange = _X4PLUS["jpeg_range"]
    """JPEG quality."""

    second_order_prob: _Probability = _X4PLUS["second_order_prob"]
    """Chance of the second stage; without it only its JPEG remains."""
    second_blur_prob: _Probability = _X4PLUS["second_blur_prob"]
    """Chance that the second stage filters."""
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
    """Lowest and highest factor, of the final LR size."""
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
    """Chance of a sinc filter at the final size."""
    final_kernel_range: _Sizes = _X4PLUS["final_kernel_range"]
    """Its smallest and largest kernel, odd sizes, equally likely."""
    final_jpeg_last_prob: _Probability = _X4PLUS["final_jpeg_last_prob"]
    """Chance that the last JPEG comes after the final resize and sinc filter, else before."""

    @property
    def source(self) -> str:
        """Where the set's values were read."""
        return read_set(self.parameters).source

    @model_validator(mode="before")
    @classmethod
    def _begin_with_the_set(cls, given: Any) -> Any:
        name = given.get("parameters", "x4plus") if isinstance(given, dict) else None
        return {**read_set(name).options, **given} if name in get_args(SetName) else given

    @model_validator(mode="after")
    def _one_weight_for_each_kernel(self) -> Self:
        if len(self.kernel_prob) != len(self.kernel_list):
            raise ValueError("kernel_prob needs one weight for each entry of kernel_list")
        if len(self.kernel_prob2) != len(self.kernel_list2):
            raise ValueError("kernel_prob2 needs one weight for each entry of kernel_list2")
        return self


class BSRGANOptions(BicubicOptions):
    """Options of `bsrgan`."""

    codec: Codec = "auto"
    """Which JPEG: libjpeg's own, or a differentiable one; auto is libjpeg on a processor."""
    half_first_prob: _Probability = _BSRGAN["half_first_prob"]
    """Chance that a scale of 4 begins with halving the image."""
    half_antialiased_prob: _Probability = _BSRGAN["half_antialiased_prob"]
    """Chance that this halving averages over what it leaves out."""
    aniso_prob: _Probability = _BSRGAN["aniso_prob"]
    """Chance that a blur is anisotropic; its variances are up to 4 + scale, while an isotropic
    blur's standard deviation is up to 2 + 0.2 · scale."""
    kernel_range: _Sizes = _BSRGAN["kernel_range"]
    """Smallest and largest blur kernel, odd sizes, equally likely."""
    down_resize_prob: _Probability = _BSRGAN["down_resize_prob"]
    """Chance of shrinking by interpolation, by up to twice the scale; else every n-th pixel of an
    image blurred by a shifted Gaussian is taken."""
    decimation_taps: Taps = _BSRGAN["decimation_taps"]
    """Taps of that Gaussian on a side; its standard deviation is 0.1 to 0.6 · scale."""
    resize_modes: _Modes = _BSRGAN["resize_modes"]
    """Interpolations, equally likely."""
    noise_range: _StrengthRange = _BSRGAN["noise_range"]
    """Gaussian noise's standard deviation in 8-bit levels, whole ones."""
    color_noise_prob: _Probability = _BSRGAN["color_noise_prob"]
    """Chance that each channel has noise of its own."""
    gray_noise_prob: _Probability = _BSRGAN["gray_noise_prob"]
    """Chance that all channels have the same; else theirs go together in some random way."""
    jpeg_prob: _Probability = _BSRGAN["jpeg_prob"]
    """Chance of a JPEG somewhere among the steps; one at the end is certain."""
    jpeg_range: _QualityRange = _BSRGAN["jpeg_range"]
    """JPEG quality, whole numbers."""

    @property
    def source(self) -> str:
        """Where the values were read."""
        return read_set("bsrgan").source

    @model_validator(mode="after")
    def _chances_within_one(self) -> Self:
        if self.color_noise_prob + self.gray_noise_prob > 1:
            raise ValueError("color_noise_prob and gray_noise_prob are together above 1")
        return self
