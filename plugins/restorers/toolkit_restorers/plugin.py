"""Restorers that need no training: interpolation, and other systems with their own weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from toolkit.component import Component, Options
from toolkit.hookspecs import hookimpl
from toolkit_restorers.published import BSRGAN, REALSR_JPEG, SPAN_X4, SWINIR_L, X4PLUS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.interfaces import Restorer


class InterpolationOptions(Options):
    """Options of `bicubic` and `lanczos`."""

    scale: int = Field(default=4, ge=1, le=16)
    """SR pixels per LR pixel, on a side."""


class CheckpointOptions(Options):
    """Options of `bsrgan` and `swinir`."""

    weights: str = Field(default="", pattern=r"^[^\n]*$")
    """Nothing: the published weights. `random`: the same network with random ones. Else a file of
    another training of it, as spandrel reads it."""


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
    yield Component(
        kind="restorer",
        name="bsrgan",
        summary="BSRGAN, with its published weights",
        build=_bsrgan,
        options=CheckpointOptions,
        variant="weights",
        paper="Designing a Practical Degradation Model for Deep Blind Image Super-Resolution, "
        "Zhang et al., 2021",
        weights=(BSRGAN,),
        tiny={"weights": "random"},
    )
    yield Component(
        kind="restorer",
        name="swinir",
        summary="SwinIR-L for real photographs, with its published weights",
        build=_swinir,
        options=CheckpointOptions,
        variant="weights",
        paper="SwinIR: Image Restoration Using Swin Transformer, Liang et al., 2021",
        weights=(SWINIR_L,),
        tiny={"weights": "random"},
    )
    yield Component(
        kind="restorer",
        name="span",
        summary="SPAN, small and fast, for bicubic LR images, with its published weights",
        build=_span,
        paper="Swift Parameter-free Attention Network for Efficient Super-Resolution, "
        "Wan et al., 2024",
        weights=(SPAN_X4,),
    )


def _bicubic(options: InterpolationOptions) -> Restorer:
    from toolkit_restorers.interpolation import Bicubic

    return Bicubic(options.scale)


def _lanczos(options: InterpolationOptions) -> Restorer:
    from toolkit_restorers.interpolation import Lanczos

    return Lanczos(options.scale)


def _real_esrgan(_options: Options) -> Restorer:
    from toolkit_restorers.esrgan import rrdb
    from toolkit_restorers.network import Network

    return Network("real-esrgan", rrdb(X4PLUS))


def _realsr_jpeg(_options: Options) -> Restorer:
    from toolkit_restorers.esrgan import rrdb
    from toolkit_restorers.network import Network

    return Network("realsr-jpeg", rrdb(REALSR_JPEG))


def _bsrgan(options: CheckpointOptions) -> Restorer:
    from toolkit.weights import hollow
    from toolkit_restorers.checkpoints import from_checkpoint
    from toolkit_restorers.esrgan import rrdb
    from toolkit_restorers.network import Network

    random = options.weights == "random" or hollow()
    return Network("bsrgan", rrdb() if random else from_checkpoint(BSRGAN, options.weights))


def _swinir(options: CheckpointOptions) -> Restorer:
    from toolkit.weights import hollow
    from toolkit_restorers.checkpoints import from_checkpoint, swinir_l
    from toolkit_restorers.network import Network

    random = options.weights == "random" or hollow()
    network = swinir_l() if random else from_checkpoint(SWINIR_L, options.weights)
    return Network("swinir", network, least=8)


def _span(_options: Options) -> Restorer:
    from toolkit_restorers.network import Network
    from toolkit_restorers.span import span

    return Network("span", span(SPAN_X4))
