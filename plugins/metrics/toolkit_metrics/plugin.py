"""Full-reference metrics, computed as the field's tables compute them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from toolkit.component import Component, Options
from toolkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.interfaces import Metric

_SSIM_PAPER = "Z. Wang et al., Image quality assessment: from error visibility to SSIM, 2004"


class BorderOptions(Options):
    """Options of `psnr`, `psnr-y`, `ssim` and `ssim-y`."""

    border: int = Field(default=0, ge=0)
    """Pixels left out on each side; 0 in the paper, the scale in older tables."""


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The metrics of this distribution."""
    yield Component(
        kind="metric",
        name="psnr-y",
        summary="Peak signal-to-noise ratio of luma (BT.601), in dB",
        options=BorderOptions,
        build=_psnr_y,
    )
    yield Component(
        kind="metric",
        name="psnr",
        summary="Peak signal-to-noise ratio of RGB, in dB",
        options=BorderOptions,
        build=_psnr,
    )
    yield Component(
        kind="metric",
        name="ssim-y",
        summary="Structural similarity of luma (BT.601)",
        options=BorderOptions,
        build=_ssim_y,
        paper=_SSIM_PAPER,
    )
    yield Component(
        kind="metric",
        name="ssim",
        summary="Structural similarity, the mean of R, G and B",
        options=BorderOptions,
        build=_ssim,
        paper=_SSIM_PAPER,
    )
    yield Component(
        kind="metric",
        name="dists",
        summary="Deep image structure and texture similarity, by the loss of this name",
        build=_dists,
        paper="K. Ding et al., Image Quality Assessment: Unifying Structure and Texture, 2020",
        licence="MIT",
    )


def _psnr_y(options: BorderOptions) -> Metric:
    from toolkit_metrics.psnr import Psnr

    return Psnr("y", options.border)


def _psnr(options: BorderOptions) -> Metric:
    from toolkit_metrics.psnr import Psnr

    return Psnr("rgb", options.border)


def _ssim_y(options: BorderOptions) -> Metric:
    from toolkit_metrics.ssim import Ssim

    return Ssim("y", options.border)


def _ssim(options: BorderOptions) -> Metric:
    from toolkit_metrics.ssim import Ssim

    return Ssim("rgb", options.border)


def _dists(options: Options) -> Metric:  # noqa: ARG001
    import toolkit
    from toolkit_metrics.distance import DistanceMetric

    files = [
        each for loss in toolkit.components("loss") if loss.name == "dists" for each in loss.weights
    ]
    weights = {each.name: each.sha256 for each in files}
    return DistanceMetric("dists", toolkit.make("loss", "dists"), weights)
