"""The backbone `pocket-wide`: the autoencoder of `pocket` with a wider UNet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from toolkit.plugin import Component, Context, Options, hookimpl

if TYPE_CHECKING:
    from toolkit.plugin import Backbone

WIDE = Path(__file__).parent / "wide"


class WideOptions(Options):
    """Options of `pocket-wide`."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Data type of frozen weights; trainable parameters stay float32."""
    checkpointing: bool = False
    """Whether to use gradient checkpointing: saves memory, but takes longer."""


def _wide(options: WideOptions, context: Context) -> Backbone:
    # `pocket` also verifies the SHA-256 of weights in a folder.
    values = options.model_dump()
    backbone: Backbone = context.make("backbone", "pocket", weights=str(WIDE), **values)
    return backbone


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The component of this plugin."""
    yield Component(
        kind="backbone",
        name="pocket-wide",
        summary="pocket with a wider UNet, for discriminators",
        build=_wide,
        options=WideOptions,
        uses=("backbone/pocket",),
        paper="Architecture after Rombach et al., High-Resolution Image Synthesis with LDMs, 2022",
    )
