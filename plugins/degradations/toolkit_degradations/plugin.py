"""Registers the degradations; importing this module loads neither torch nor OpenCV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.plugin import Component, Context, hookimpl
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
    """The components of this plugin."""
    yield Component(
        kind="degradation",
        name="realesrgan",
        summary="Real-ESRGAN: blur, resize, noise and JPEG, twice",
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
        summary="BSRGAN: blur, resize, noise and JPEG in a random order",
        build=_bsrgan,
        options=BSRGANOptions,
        paper="Designing a Practical Degradation Model for Deep Blind Image Super-Resolution, "
        "Zhang et al., 2021",
    )
    yield Component(
        kind="degradation",
        name="bicubic",
        summary="Bicubic downscaling with antialiasing",
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
        summary="LR images as they were recorded, from the dataset",
        build=_recorded,
        options=BicubicOptions,
    )


def _realesrgan(options: RealESRGANOptions, _context: Context) -> Pipeline:
    from toolkit_degradations.pipeline import Pipeline
    from toolkit_degradations.realesrgan import RealESRGAN

    return Pipeline(
        RealESRGAN(options),
        scale=options.scale,
        codec=options.codec,
        sharpen_target=options.sharpen_target,
    )


def _bsrgan(options: BSRGANOptions, _context: Context) -> Pipeline:
    from toolkit_degradations.bsrgan import BSRGAN
    from toolkit_degradations.pipeline import Pipeline

    return Pipeline(BSRGAN(options), scale=options.scale, codec=options.codec)


def _bicubic(options: BicubicOptions, _context: Context) -> Pipeline:
    from toolkit_degradations.pipeline import Pipeline
    from toolkit_degradations.plain import bicubic

    return Pipeline(bicubic, scale=options.scale)


def _bicubic_noise(options: NoiseOptions, _context: Context) -> Pipeline:
    from toolkit_degradations.pipeline import Pipeline
    from toolkit_degradations.plain import BicubicNoise

    return Pipeline(BicubicNoise(options), scale=options.scale)


def _jpeg(options: JpegOptions, _context: Context) -> Pipeline:
    from toolkit_degradations.pipeline import Pipeline
    from toolkit_degradations.plain import BicubicJpeg

    return Pipeline(BicubicJpeg(options), scale=options.scale, codec=options.codec)


def _recorded(options: BicubicOptions, _context: Context) -> Recorded:
    from toolkit_degradations.plain import Recorded

    return Recorded(options.scale)
