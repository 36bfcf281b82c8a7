"""The backbone `pocket-wide`: pocket's autoencoder, and a UNet that is half as wide again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from toolkit.component import Component, Options
from toolkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from toolkit.interfaces import Backbone

WIDE = Path(__file__).parent / "wide"


class WideOptions(Options):
    """Options of `pocket-wide`."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """What the frozen weights are held in; what is trained stays float32."""
    checkpointing: bool = False
    """Computes inner activations again in the backward pass instead of keeping them."""


def _wide(options: WideOptions) -> Backbone:
    import toolkit

    # It is pocket with other weights, whose SHA-256 pocket checks, too.
    options_given = options.model_dump()
    backbone: Backbone = toolkit.make("backbone", "pocket", weights=str(WIDE), **options_given)
    return backbone


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The component of this plugin."""
    yield Component(
        kind="backbone",
        name="pocket-wide",
        summary="pocket with a UNet half as wide again: the stronger judge at pocket scale",
        build=_wide,
        options=WideOptions,
        uses=("backbone/pocket",),
        paper="Architecture after Rombach et al., High-Resolution Image Synthesis with LDMs, 2022",
    )
