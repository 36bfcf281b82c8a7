"""The plugin's components; importing this loads neither torch nor OpenCV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.component import Component
from toolkit.hookspecs import hookimpl
from toolkit_degradations.options import (
    BicubicOptions,
    BSRGANOptions,
    JpegOptions,
    NoiseOptions,
    RealESRGANOptions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit_degradations.pipeline import Pipeline
    from toolkit_degradations.plain import Recorded

_KEYS = "Cubic Convolution Interpolation for Digital Image Processing, Keys, 1981"


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The degradations that ship with the toolkit."""
    yield Component(
        kind="degradation",
        name="realesrgan",
        summary="Blur, resize, noise and JPEG, twice: Real-ESRGAN's pipeline, and its relatives'",
        build=_realesrgan,
        options=RealESRGANOptions,
        variant="parameters",
        paper="Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data, "
        "Wang et al., 2021",
        tiny={"sharpen": False},
    )
    yield Component(
        kind="degradation",
        name="bsrgan",
        summary="Blurs, shrinkings, noise and JPEG in a random order: BSRGAN's pipeline",
        build=_bsrgan,
        options=BSRGANOptions,
        paper="Designing a Practical Degradation Model for Deep Blind Image Super-Resolution, "
        "Zhang et al., 2021",
    )
    yield Component(
        kind="degradation",
        name="bicubic",
        summary="Bicubic downscaling with antialiasing, and nothing else",
        build=_bicubic,
        options=BicubicOptions,
        paper=_KEYS,
    )
    yield Component(
        kind="degradation",
        name="bicubic+noise",
        summary="Bicubic downscaling, then Gaussian noise",
        build=_bicubic_noise,
        options=NoiseOptions,
        paper=_KEYS,
    )
    yield Component(
        kind="degradation",
        name="jpeg",
        summary="Bicubic downscaling, then JPEG",
        build=_jpeg,
        options=JpegOptions,
        paper=_KEYS,
    )
    yield Component(
        kind="degradation",
        name="recorded",
        summary="Nothing is made: LR images come from the data, as they were recorded",
        build=_recorded,
        options=BicubicOptions,
    )


def _realesrgan(options: RealESRGANOptions) -> Pipeline:
    from toolkit_degradations.pipeline import Pipeline
    from toolkit_degradations.second_order import SecondOrder

    return Pipeline(
        SecondOrder(options),
        scale=options.scale,
        codec=options.codec,
        sharpen_target=options.sharpen_target,
    )


def _bsrgan(options: BSRGANOptions) -> Pipeline:
    from toolkit_degradations.pipeline import Pipeline
    from toolkit_degradations.shuffled import Shuffled

    return Pipeline(Shuffled(options), scale=options.scale, codec=options.codec)


def _bicubic(options: BicubicOptions) -> Pipeline:
    from toolkit_degradations.pipeline import Pipeline
    from toolkit_degradations.plain import bicubic

    return Pipeline(bicubic, scale=options.scale)


def _bicubic_noise(options: NoiseOptions) -> Pipeline:
    from toolkit_degradations.pipeline import Pipeline
    from toolkit_degradations.plain import BicubicNoise

    return Pipeline(BicubicNoise(options), scale=options.scale)


def _jpeg(options: JpegOptions) -> Pipeline:
    from toolkit_degradations.pipeline import Pipeline
    from toolkit_degradations.plain import BicubicJpeg

    return Pipeline(BicubicJpeg(options), scale=options.scale, codec=options.codec)


def _recorded(options: BicubicOptions) -> Recorded:
    from toolkit_degradations.plain import Recorded

    return Recorded(options.scale)
