"""The plugin's components; importing this loads neither torch nor OpenCV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.component import Component
from toolkit.hookspecs import hookimpl
from toolkit_degradations.options import BicubicOptions, RealESRGANOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit_degradations.draws import StageRanges
    from toolkit_degradations.pipeline import Bicubic, RealESRGAN


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The degradations that ship with the toolkit."""
    yield Component(
        kind="degradation",
        name="realesrgan",
        summary="Blur, resize, noise and JPEG, twice: Real-ESRGAN's training pipeline",
        build=_build_realesrgan,
        options=RealESRGANOptions,
        paper="Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data, "
        "Wang et al., 2021",
        tiny={"sharpen": False},
    )
    yield Component(
        kind="degradation",
        name="bicubic",
        summary="Bicubic downscaling with antialiasing, and nothing else",
        build=_build_bicubic,
        options=BicubicOptions,
        paper="Cubic Convolution Interpolation for Digital Image Processing, Keys, 1981",
    )


def _build_realesrgan(options: RealESRGANOptions) -> RealESRGAN:
    from toolkit_degradations.draws import EndingRanges
    from toolkit_degradations.pipeline import RealESRGAN

    return RealESRGAN(
        scale=options.scale,
        first=_first_stage(options),
        second=_second_stage(options),
        ending=EndingRanges(
            modes=options.resize_modes,
            sinc_probability=options.final_sinc_prob,
            sizes=options.kernel_range,
            jpeg_last_probability=options.final_jpeg_last_prob,
        ),
        sharpen=options.sharpen,
        sharpen_target=options.sharpen_target,
    )


def _build_bicubic(options: BicubicOptions) -> Bicubic:
    from toolkit_degradations.pipeline import Bicubic

    return Bicubic(scale=options.scale)


def _first_stage(options: RealESRGANOptions) -> StageRanges:
    from toolkit_degradations.draws import BlurRanges, StageRanges

    return StageRanges(
        blur=BlurRanges(
            probability=1.0,
            shapes=options.kernel_list,
            weights=options.kernel_prob,
            sinc_probability=options.sinc_prob,
            sigma=options.blur_sigma,
            generalized_beta=options.betag_range,
            plateau_beta=options.betap_range,
            sizes=options.kernel_range,
        ),
        resize_weights=options.resize_prob,
        resize=options.resize_range,
        modes=options.resize_modes,
        gaussian_probability=options.gaussian_noise_prob,
        gaussian_sigma=options.noise_range,
        poisson_scale=options.poisson_scale_range,
        gray_probability=options.gray_noise_prob,
        jpeg_quality=options.jpeg_range,
    )


def _second_stage(options: RealESRGANOptions) -> StageRanges:
    from toolkit_degradations.draws import BlurRanges, StageRanges

    return StageRanges(
        blur=BlurRanges(
            probability=options.second_blur_prob,
            shapes=options.kernel_list2,
            weights=options.kernel_prob2,
            sinc_probability=options.sinc_prob2,
            sigma=options.blur_sigma2,
            generalized_beta=options.betag_range2,
            plateau_beta=options.betap_range2,
            sizes=options.kernel_range,
        ),
        resize_weights=options.resize_prob2,
        resize=options.resize_range2,
        modes=options.resize_modes,
        gaussian_probability=options.gaussian_noise_prob2,
        gaussian_sigma=options.noise_range2,
        poisson_scale=options.poisson_scale_range2,
        gray_probability=options.gray_noise_prob2,
        jpeg_quality=options.jpeg_range2,
    )
