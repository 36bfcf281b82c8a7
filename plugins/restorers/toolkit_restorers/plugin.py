"""Registers the restorers: interpolation, and published systems with pretrained weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from toolkit.plugin import Component, Context, Options, OptionsError, hookimpl, user_path
from toolkit_restorers.published import BSRGAN, REALSR_JPEG, SPAN_X4, SWINIR_L, X4PLUS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.plugin import Restorer


class InterpolationOptions(Options):
    """Options of `bicubic` and `lanczos`."""

    scale: int = Field(default=4, ge=1, le=16)
    """SR pixels per LR pixel, on a side."""


class CheckpointOptions(Options):
    """Options of `bsrgan` and `swinir`."""

    weights: str = Field(default="", pattern=r"^[^\n]*$")
    """Checkpoint of the same architecture, in a format that spandrel reads; empty for the published
    weights, `random` for random ones."""


class SpandrelOptions(Options):
    """Options of `spandrel`."""

    file: Path
    """Checkpoint: `.pth`, `.safetensors` or another file of tensors."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision of the network; not every architecture supports 16 bits."""


NEAREST_X2 = Path(__file__).with_name("nearest-x2.safetensors")
"""A Compact network without weights but zeros, which repeats every pixel; for tests."""


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(
        kind="restorer",
        name="bicubic",
        summary="Bicubic interpolation (a = -0.5), the usual baseline",
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
        summary="Real-ESRGAN x4plus, published weights",
        build=_real_esrgan,
        paper="Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data, "
        "Wang et al., 2021",
        licence="BSD-3-Clause",
        weights=(X4PLUS,),
    )
    yield Component(
        kind="restorer",
        name="realsr-jpeg",
        summary="RealSR for JPEG images (DF2K-JPEG), published weights",
        build=_realsr_jpeg,
        paper="Real-World Super-Resolution via Kernel Estimation and Noise Injection, "
        "Ji et al., 2020",
        licence="Apache-2.0 AND MIT",
        weights=(REALSR_JPEG,),
    )
    yield Component(
        kind="restorer",
        name="bsrgan",
        summary="BSRGAN, published weights",
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
        summary="SwinIR-L for real photographs, published weights",
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
        summary="SPAN, small and fast, for bicubic LR; published weights",
        build=_span,
        paper="Swift Parameter-free Attention Network for Efficient Super-Resolution, "
        "Wan et al., 2024",
        weights=(SPAN_X4,),
    )
    yield Component(
        kind="restorer",
        name="spandrel",
        summary="Your file of any image network that spandrel knows",
        build=_spandrel,
        options=SpandrelOptions,
        variant="file",
        licence="various, that of the file",
        tiny={"file": NEAREST_X2},
    )


def _bicubic(options: InterpolationOptions, _context: Context) -> Restorer:
    from toolkit_restorers.interpolation import Bicubic

    return Bicubic(options.scale)


def _lanczos(options: InterpolationOptions, _context: Context) -> Restorer:
    from toolkit_restorers.interpolation import Lanczos

    return Lanczos(options.scale)


def _real_esrgan(_options: Options, context: Context) -> Restorer:
    from toolkit_restorers.esrgan import rrdb
    from toolkit_restorers.network import Network

    return Network("real-esrgan", rrdb(X4PLUS, hollow=not context.read_weights))


def _realsr_jpeg(_options: Options, context: Context) -> Restorer:
    from toolkit_restorers.esrgan import rrdb
    from toolkit_restorers.network import Network

    return Network("realsr-jpeg", rrdb(REALSR_JPEG, hollow=not context.read_weights))


def _bsrgan(options: CheckpointOptions, context: Context) -> Restorer:
    from toolkit_restorers.checkpoints import published
    from toolkit_restorers.esrgan import rrdb
    from toolkit_restorers.network import Network

    hollow = not context.read_weights
    random = options.weights == "random" or hollow
    network = rrdb(hollow=hollow) if random else published(BSRGAN, options.weights)
    return Network("bsrgan", network)


def _swinir(options: CheckpointOptions, context: Context) -> Restorer:
    from toolkit_restorers.checkpoints import published, swinir_l
    from toolkit_restorers.network import Network

    hollow = not context.read_weights
    random = options.weights == "random" or hollow
    network = swinir_l(hollow=hollow) if random else published(SWINIR_L, options.weights)
    return Network("swinir", network, min_side=8)


def _span(_options: Options, context: Context) -> Restorer:
    from toolkit_restorers.network import Network
    from toolkit_restorers.span import span

    return Network("span", span(SPAN_X4 if context.read_weights else None))


def _spandrel(options: SpandrelOptions, context: Context) -> Restorer:
    import torch
    from spandrel import UnsupportedDtypeError

    from toolkit_restorers.checkpoints import from_checkpoint
    from toolkit_restorers.network import Described

    file = user_path(options.file)
    model = from_checkpoint(file)
    try:
        model.to(getattr(torch, options.precision))
    except UnsupportedDtypeError:
        raise OptionsError(
            f"{file} contains {model.architecture.name}, which does not support "
            f"{options.precision}.",
            "Leave the precision out, for float32.",
        ) from None
    if not context.read_weights:
        model.model.to("meta")  # its architecture is in the file alone
    return Described(file.stem, model)
