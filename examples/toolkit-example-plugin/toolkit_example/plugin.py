"""Registers the components of this plugin.

The toolkit imports this module to list components, so heavy imports such as torch belong inside
the build functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from toolkit.plugin import Component, Context, Options, hookimpl

if TYPE_CHECKING:
    from toolkit.plugin import Discriminator, PerceptualLoss

PLUGIN_API = 1
"""Version of `toolkit.plugin` that this plugin was written for."""


class CharbonnierOptions(Options):
    """Options of `charbonnier`; the docstring of an option is its help text."""

    epsilon: float = Field(default=1e-3, gt=0)
    """Difference around which the loss changes from quadratic to linear."""


class PatchOptions(Options):
    """Options of `patch`."""

    width: int = Field(default=32, ge=1)
    """Channels of the first layer; each halving doubles them."""
    halvings: int = Field(default=3, ge=1, le=6)
    """Number of strided layers n; logits have a stride of 2^n pixels."""


def _charbonnier(options: CharbonnierOptions, _context: Context) -> PerceptualLoss:
    from toolkit_example.charbonnier import Charbonnier

    return Charbonnier(options.epsilon)


def _patch(options: PatchOptions, _context: Context) -> Discriminator:
    from toolkit_example.patch import PatchDiscriminator

    return PatchDiscriminator(options.width, options.halvings)


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(
        kind="loss",
        name="charbonnier",
        summary="Smooth approximation of the mean absolute error",
        build=_charbonnier,
        options=CharbonnierOptions,
        variant="epsilon",
        paper="Charbonnier et al., Two deterministic half-quadratic regularization algorithms, "
        "1994",
    )
    yield Component(
        kind="discriminator",
        name="patch",
        summary="Small convolutional PatchGAN discriminator",
        build=_patch,
        options=PatchOptions,
        paper="Isola et al., Image-to-Image Translation with Conditional Adversarial Nets, 2017",
        tiny={"width": 2, "halvings": 1},
    )
