"""Registers the metrics."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from toolkit.plugin import Component, Context, Options, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.plugin import Metric
    from toolkit_metrics.metric import Score

NIQE_PRISTINE = "f76387b28d418c54f4fe4182826f94bc47b7bfd29b85f59cbfe80fdf3eaf5d0c"
"""SHA-256 of data/niqe_pristine.safetensors."""

_SSIM_PAPER = "Z. Wang et al., Image quality assessment: from error visibility to SSIM, 2004"
_COLOURS = {"y": "BT.601 luma, 16-235", "rgb": "RGB, 0-255"}
_CLAMPED = "whole images clamped to [0, 1]"

Colour = Literal["y", "rgb"]


class BorderOptions(Options):
    """Options of `psnr`, `psnr-y`, `ssim` and `ssim-y`."""

    border: int = Field(default=0, ge=0)
    """Pixels cropped on each side; 0 in the paper, equal to the scale in older papers."""


class LpipsOptions(Options):
    """Options of `lpips`."""

    network: Literal["alex", "vgg"] = "alex"
    """Feature network; AlexNet in the paper's tables."""


class LatticeOptions(Options):
    """Options of `lattice`."""

    period: int = Field(default=4, ge=2, le=64)
    """Period in pixels: the factor of the autoencoder (pocket 4, Stable Diffusion 8)."""


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(
        kind="metric",
        name="psnr-y",
        summary="Peak signal-to-noise ratio of luma (BT.601), in dB",
        options=BorderOptions,
        build=partial(_psnr, "y"),
    )
    yield Component(
        kind="metric",
        name="psnr",
        summary="Peak signal-to-noise ratio of RGB, in dB",
        options=BorderOptions,
        build=partial(_psnr, "rgb"),
    )
    yield Component(
        kind="metric",
        name="ssim-y",
        summary="Structural similarity of luma (BT.601)",
        options=BorderOptions,
        build=partial(_ssim, "y"),
        paper=_SSIM_PAPER,
    )
    yield Component(
        kind="metric",
        name="ssim",
        summary="Structural similarity, the mean of R, G and B",
        options=BorderOptions,
        build=partial(_ssim, "rgb"),
        paper=_SSIM_PAPER,
    )
    yield Component(
        kind="metric",
        name="lpips",
        summary="Distance of deep features, LPIPS v0.1 with AlexNet",
        options=LpipsOptions,
        variant="network",
        build=_lpips,
        uses=("loss/lpips",),
        paper="R. Zhang et al., The Unreasonable Effectiveness of Deep Features, 2018",
        licence="BSD-2-Clause",
    )
    yield Component(
        kind="metric",
        name="dists",
        summary="Deep image structure and texture similarity",
        build=_dists,
        uses=("loss/dists",),
        paper="K. Ding et al., Image Quality Assessment: Unifying Structure and Texture, 2020",
        licence="MIT",
    )
    yield Component(
        kind="metric",
        name="niqe",
        summary="Natural image quality evaluator; no reference",
        build=_niqe,
        paper='A. Mittal et al., Making a "completely blind" image quality analyzer, 2013',
    )
    yield Component(
        kind="metric",
        name="lattice",
        summary="Spectral excess at an autoencoder's period, dB; no reference",
        options=LatticeOptions,
        variant="period",
        build=_lattice,
    )


def _psnr(colour: Colour, options: BorderOptions, _context: Context) -> Metric:
    from toolkit_metrics.metric import LazyMetric

    def load() -> Score:
        from toolkit_metrics.psnr import psnr

        return partial(psnr, colour=colour, border=options.border)

    return LazyMetric(
        "higher",
        load,
        fingerprint={
            "colour": f"{_COLOURS[colour]}, not rounded",
            "border": str(options.border),
            "protocol": f"{_CLAMPED}, 1e-8 added to MSE / 255², peak 255",
        },
    )


def _ssim(colour: Colour, options: BorderOptions, _context: Context) -> Metric:
    from toolkit_metrics.metric import LazyMetric

    def load() -> Score:
        from toolkit_metrics.ssim import ssim

        return partial(ssim, colour=colour, border=options.border)

    return LazyMetric(
        "higher",
        load,
        fingerprint={
            "colour": f"{_COLOURS[colour]}, rounded to integers",
            "border": str(options.border),
            "protocol": f"{_CLAMPED}, Gaussian window 11x11, sigma 1.5, valid area",
        },
    )


def _lpips(options: LpipsOptions, context: Context) -> Metric:
    network, min_side = {"alex": ("AlexNet", 31), "vgg": ("VGG16", 16)}[options.network]
    return _by_loss(context, f"lpips:{options.network}", f"LPIPS v0.1 {network}", min_side)


def _dists(_options: Options, context: Context) -> Metric:
    return _by_loss(context, "dists", "DISTS", 16)


def _by_loss(context: Context, selection: str, protocol: str, min_side: int) -> Metric:
    """Creates a metric from an installed loss, for sides of at least `min_side` px."""
    from importlib.metadata import version

    from toolkit_metrics.metric import LazyMetric

    loss = context.find("loss", selection.partition(":")[0])
    provider = context.provider(loss)

    def load() -> Score:
        from toolkit_metrics.distance import Distance

        return Distance(context.make("loss", selection), min_side)

    return LazyMetric(
        "lower",
        load,
        fingerprint={
            "loss": f"{selection} of {provider} {version(provider)}",
            "colour": "RGB",
            "border": "0",
            "protocol": f"{_CLAMPED}, {protocol}",
            **{f"sha256 of {file.name}": file.sha256 for file in loss.weights},
        },
    )


def _niqe(_options: Options, _context: Context) -> Metric:
    from toolkit_metrics.metric import LazyMetric

    def load() -> Score:
        from toolkit_metrics.niqe import niqe

        return lambda sr, _hr: niqe(sr)

    return LazyMetric(
        "lower",
        load,
        needs_reference=False,
        fingerprint={
            "colour": "BT.601 luma, 0-255, rounded to integers",
            "border": "0",
            "protocol": f"{_CLAMPED}, blocks of 96 px, two scales, float64",
            "sha256 of niqe_pristine.safetensors": NIQE_PRISTINE,
        },
    )


def _lattice(options: LatticeOptions, _context: Context) -> Metric:
    from toolkit_metrics.metric import LazyMetric

    def load() -> Score:
        from toolkit_metrics.lattice import lattice

        return lambda sr, _hr: lattice(sr, options.period)

    return LazyMetric(
        "lower",
        load,
        needs_reference=False,
        fingerprint={
            "colour": "BT.601 luma, 16-235, not rounded",
            "border": "0",
            "protocol": f"{_CLAMPED}, Hann windows of 32 periods of {options.period} px, float64",
        },
    )
