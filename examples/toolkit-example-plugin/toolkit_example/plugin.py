"""What this plugin supplies.

The toolkit imports this module whenever it lists its components, so it imports nothing heavy:
torch comes in with the `build` functions, when a component is really wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from toolkit.component import Component, Options
from toolkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from toolkit.interfaces import Discriminator, PerceptualLoss


class CharbonnierOptions(Options):
    """Options of `charbonnier`; the text below an option is its help."""

    epsilon: float = Field(default=1e-3, gt=0)
    """Differences well below this count as squares, those well above it as magnitudes."""


class PatchOptions(Options):
    """Options of `patch`."""

    width: int = Field(default=32, ge=1)
    """Channels of the first layer; each halving doubles them."""
    halvings: int = Field(default=3, ge=1, le=6)
    """How often the sides are halved: a region is about 2^n pixels wide."""


def _charbonnier(options: CharbonnierOptions) -> PerceptualLoss:
    from toolkit_example.charbonnier import Charbonnier

    return Charbonnier(options.epsilon)


def _patch(options: PatchOptions) -> Discriminator:
    from toolkit_example.patch import PatchDiscriminator

    return PatchDiscriminator(options.width, options.halvings)


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(
        kind="loss",
        name="charbonnier",
        summary="A smooth mean absolute difference of pixels",
        build=_charbonnier,
        options=CharbonnierOptions,
        variant="epsilon",
        paper="Charbonnier et al., Two deterministic half-quadratic regularization algorithms, "
        "1994",
    )
    yield Component(
        kind="discriminator",
        name="patch",
        summary="A small convolutional net that judges the image patch by patch",
        build=_patch,
        options=PatchOptions,
        paper="Isola et al., Image-to-Image Translation with Conditional Adversarial Nets, 2017",
        tiny={"width": 2, "halvings": 1},
    )
