"""The options, under the names of Real-ESRGAN's published option files, with their values.

Source: `options/train_realesrgan_x4plus.yml` of Real-ESRGAN (Wang et al., 2021), called "x4plus"
below; what that file does not name is called "fixed in the published code".
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from toolkit.component import Options
from toolkit_degradations.history import BlurShape, ResizeMode


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
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


def _odd(sizes: tuple[int, int]) -> tuple[int, int]:
    if not all(size % 2 for size in sizes):
        raise ValueError("kernels have an odd number of taps")
    return sizes


_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Probability = Annotated[float, Field(ge=0, le=1)]
_Quality = Annotated[float, Field(ge=1, le=100)]
_Taps = Annotated[int, Field(ge=3, le=51)]

_PositiveRange = Annotated[tuple[_Positive, _Positive], AfterValidator(_ordered)]
_StrengthRange = Annotated[tuple[_NotNegative, _NotNegative], AfterValidator(_ordered)]
_AroundOne = Annotated[tuple[_Positive, _Positive], AfterValidator(_around_one)]
_QualityRange = Annotated[tuple[_Quality, _Quality], AfterValidator(_ordered)]
_Sizes = Annotated[tuple[_Taps, _Taps], AfterValidator(_ordered), AfterValidator(_odd)]
_Weights = Annotated[tuple[_NotNegative, ...], AfterValidator(_some_positive)]
_ResizeWeights = Annotated[
    tuple[_NotNegative, _NotNegative, _NotNegative], AfterValidator(_some_positive)
]
_Shapes = Annotated[tuple[BlurShape, ...], Field(min_length=1)]

_ALL_SHAPES: tuple[BlurShape, ...] = (
    "iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso",
)  # fmt: skip
_SHAPE_WEIGHTS = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)


class BicubicOptions(Options):
    """Options of `bicubic`."""

    scale: PositiveInt = 4
    """HR pixels per LR pixel, on a side."""


class RealESRGANOptions(Options):
    """Options of `realesrgan`; a name ending in 2 is the second stage's."""

    scale: PositiveInt = 4
    """HR pixels per LR pixel, on a side. x4plus: `scale: 4`."""
    sharpen: bool = True
    """Sharpen HR before degrading it. Fixed in the published code: always."""
    sharpen_target: bool = False
    """Train against sharpened HR. x4plus: `l1_gt_usm` and `percep_gt_usm` true, `gan_gt_usm`
    false; the DFOSD paper does not say."""

    kernel_range: _Sizes = (7, 21)
    """Smallest and largest kernel of all filters, odd sizes, equally likely. Fixed in the published
    code: 7, 9, ... 21; x4plus' `blur_kernel_size: 21` only pads them with zeros."""
    resize_modes: Annotated[tuple[ResizeMode, ...], Field(min_length=1)] = (
        "area", "bilinear", "bicubic",
    )  # fmt: skip
    """Interpolations, equally likely, for every resizing. Fixed in the published code."""

    kernel_list: _Shapes = _ALL_SHAPES
    """First stage's blur kernels. x4plus: `kernel_list`."""
    kernel_prob: _Weights = _SHAPE_WEIGHTS
    """How often each is chosen, relative. x4plus: `kernel_prob`."""
    sinc_prob: _Probability = 0.1
    """Chance of a sinc filter in place of a blur. x4plus: `sinc_prob: 0.1`."""
    blur_sigma: _PositiveRange = (0.2, 3.0)
    """Standard deviation of the blur, in pixels. x4plus: `blur_sigma: [0.2, 3]`."""
    betag_range: _AroundOne = (0.5, 4.0)
    """Exponent of generalised Gaussians, half of them below 1. x4plus: `betag_range: [0.5, 4]`."""
    betap_range: _AroundOne = (1.0, 2.0)
    """Exponent of plateau kernels, half of them below 1 (or at it). x4plus:
    `betap_range: [1, 2]`."""
    resize_prob: _ResizeWeights = (0.2, 0.7, 0.1)
    """How often to enlarge, shrink, keep. x4plus: `resize_prob: [0.2, 0.7, 0.1]`."""
    resize_range: _AroundOne = (0.15, 1.5)
    """Lowest and highest factor, of HR's size. x4plus: `resize_range: [0.15, 1.5]`."""
    gaussian_noise_prob: _Probability = 0.5
    """Chance of Gaussian noise, else Poisson. x4plus: `gaussian_noise_prob: 0.5`."""
    noise_range: _StrengthRange = (1.0, 30.0)
    """Gaussian noise's standard deviation in 8-bit levels. x4plus: `noise_range: [1, 30]`."""
    poisson_scale_range: _StrengthRange = (0.05, 3.0)
    """Factor on Poisson noise. x4plus: `poisson_scale_range: [0.05, 3]`."""
    gray_noise_prob: _Probability = 0.4
    """Chance that the noise is the same in all channels. x4plus: `gray_noise_prob: 0.4`."""
    jpeg_range: _QualityRange = (30.0, 95.0)
    """JPEG quality. x4plus: `jpeg_range: [30, 95]`."""

    second_blur_prob: _Probability = 0.8
    """Chance that the second stage filters. x4plus: `second_blur_prob: 0.8`."""
    kernel_list2: _Shapes = _ALL_SHAPES
    """Second stage's blur kernels. x4plus: `kernel_list2`."""
    kernel_prob2: _Weights = _SHAPE_WEIGHTS
    """How often each is chosen, relative. x4plus: `kernel_prob2`."""
    sinc_prob2: _Probability = 0.1
    """Chance of a sinc filter in place of a blur. x4plus: `sinc_prob2: 0.1`."""
    blur_sigma2: _PositiveRange = (0.2, 1.5)
    """Standard deviation of the blur, in pixels. x4plus: `blur_sigma2: [0.2, 1.5]`."""
    betag_range2: _AroundOne = (0.5, 4.0)
    """As `betag_range`. x4plus: `betag_range2: [0.5, 4]`."""
    betap_range2: _AroundOne = (1.0, 2.0)
    """As `betap_range`. x4plus: `betap_range2: [1, 2]`."""
    resize_prob2: _ResizeWeights = (0.3, 0.4, 0.3)
    """How often to enlarge, shrink, keep. x4plus: `resize_prob2: [0.3, 0.4, 0.3]`."""
    resize_range2: _AroundOne = (0.3, 1.2)
    """Lowest and highest factor, of the final LR size. x4plus: `resize_range2: [0.3, 1.2]`."""
    gaussian_noise_prob2: _Probability = 0.5
    """Chance of Gaussian noise, else Poisson. x4plus: `gaussian_noise_prob2: 0.5`."""
    noise_range2: _StrengthRange = (1.0, 25.0)
    """Gaussian noise's standard deviation in 8-bit levels. x4plus: `noise_range2: [1, 25]`."""
    poisson_scale_range2: _StrengthRange = (0.05, 2.5)
    """Factor on Poisson noise. x4plus: `poisson_scale_range2: [0.05, 2.5]`."""
    gray_noise_prob2: _Probability = 0.4
    """Chance that the noise is the same in all channels. x4plus: `gray_noise_prob2: 0.4`."""
    jpeg_range2: _QualityRange = (30.0, 95.0)
    """JPEG quality. x4plus: `jpeg_range2: [30, 95]`."""

    final_sinc_prob: _Probability = 0.8
    """Chance of a sinc filter at the final size. x4plus: `final_sinc_prob: 0.8`."""
    final_jpeg_last_prob: _Probability = 0.5
    """Chance that the second JPEG comes after the final resize and sinc filter, else before. Fixed
    in the published code: 0.5."""

    @model_validator(mode="after")
    def _one_weight_for_each_kernel(self) -> Self:
        if len(self.kernel_prob) != len(self.kernel_list):
            raise ValueError("kernel_prob needs one weight for each entry of kernel_list")
        if len(self.kernel_prob2) != len(self.kernel_list2):
            raise ValueError("kernel_prob2 needs one weight for each entry of kernel_list2")
        return self
