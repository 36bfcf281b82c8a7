"""Registers the losses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from toolkit.plugin import Component, Context, Options, hookimpl
from toolkit_losses.published import ALEXNET, DISTS, VGG16

if TYPE_CHECKING:
    from toolkit.plugin import PerceptualLoss


class LpipsOptions(Options):
    """Options of `lpips`."""

    network: Literal["vgg", "alex"] = "vgg"
    """Feature network; the authors train with VGG16 and evaluate with AlexNet."""


class EdgeOptions(Options):
    """Options of `ea-dists`."""

    edges: Literal["grey", "colour"] = "grey"
    """Edges of the channels' mean or of each channel; open in the paper."""
    image_weight: float = Field(default=1.0, ge=0)
    """Weight of the distance between the images (eq. 5: 1)."""
    edge_weight: float = Field(default=1.0, ge=0)
    """Weight of the distance between the edge maps (eq. 5: 1)."""


class EdgeLpipsOptions(EdgeOptions, LpipsOptions):
    """Options of `ea-lpips`."""


class LatticeOptions(Options):
    """Options of `lattice`."""

    period: int = Field(default=4, ge=2, le=64)
    """Period in pixels: the factor of the backbone's autoencoder (pocket 4, Stable Diffusion 8)."""


def _mse(_options: Any, _context: Context) -> PerceptualLoss:
    from toolkit_losses.pixels import PixelLoss

    return PixelLoss(power=2)


def _l1(_options: Any, _context: Context) -> PerceptualLoss:
    from toolkit_losses.pixels import PixelLoss

    return PixelLoss(power=1)


def _lpips(options: LpipsOptions, context: Context) -> PerceptualLoss:
    from toolkit_losses.lpips import lpips

    return lpips(options.network, read_weights=context.read_weights)


def _dists(_options: Any, context: Context) -> PerceptualLoss:
    from toolkit_losses.dists import dists

    return dists(read_weights=context.read_weights)


def _ea_lpips(options: EdgeLpipsOptions, context: Context) -> PerceptualLoss:
    from toolkit_losses.edge_aware import EdgeAware
    from toolkit_losses.lpips import lpips

    loss = lpips(options.network, read_weights=context.read_weights)
    return EdgeAware(loss, options.edges, options.image_weight, options.edge_weight)


def _ea_dists(options: EdgeOptions, context: Context) -> PerceptualLoss:
    from toolkit_losses.dists import dists
    from toolkit_losses.edge_aware import EdgeAware

    loss = dists(read_weights=context.read_weights)
    return EdgeAware(loss, options.edges, options.image_weight, options.edge_weight)


def _lattice(options: LatticeOptions, _context: Context) -> PerceptualLoss:
    from toolkit_losses.lattice import LatticeLoss

    return LatticeLoss(options.period)


_LPIPS_PAPER = "Zhang et al., The Unreasonable Effectiveness of Deep Features, 2018"
_DISTS_PAPER = (
    "Ding et al., Image Quality Assessment: Unifying Structure and Texture Similarity, 2020"
)


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(kind="loss", name="mse", summary="Mean squared error of pixels", build=_mse)
    yield Component(kind="loss", name="l1", summary="Mean absolute error of pixels", build=_l1)
    yield Component(
        kind="loss",
        name="lpips",
        summary="Distance of deep features, LPIPS v0.1",
        build=_lpips,
        options=LpipsOptions,
        variant="network",
        paper=_LPIPS_PAPER,
        weights=(VGG16, ALEXNET),
    )
    yield Component(
        kind="loss",
        name="ea-lpips",
        summary="LPIPS of the images plus LPIPS of their Sobel edges",
        build=_ea_lpips,
        options=EdgeLpipsOptions,
        variant="network",
        paper="DFOSD, Table 5",
        weights=(VGG16, ALEXNET),
    )
    yield Component(
        kind="loss",
        name="dists",
        summary="Structure and texture similarity of deep features",
        build=_dists,
        paper=_DISTS_PAPER,
        weights=(VGG16, DISTS),
    )
    yield Component(
        kind="loss",
        name="ea-dists",
        summary="DISTS of the images plus DISTS of their Sobel edges",
        build=_ea_dists,
        options=EdgeOptions,
        paper="DFOSD, eqs. 5-7",
        weights=(VGG16, DISTS),
    )
    yield Component(
        kind="loss",
        name="lattice",
        summary="Error that repeats with the autoencoder's period",
        build=_lattice,
        options=LatticeOptions,
        variant="period",
    )
