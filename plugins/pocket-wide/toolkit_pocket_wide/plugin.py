"""The backbone `pocket-wide`: the autoencoder of `pocket` with half of a wider UNet."""

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

    weights: Literal["", "tiny"] = ""
    """Empty for the included weights; `tiny` for random ones in narrow layers, for tests."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Data type of frozen weights; trainable parameters stay float32."""
    checkpointing: bool = False
    """Whether to use gradient checkpointing: saves memory, but takes longer."""


def _wide(options: WideOptions, context: Context) -> Backbone:
    # `pocket` also verifies the SHA-256 of weights in a folder, and lends its autoencoder.
    values = options.model_dump() | {"weights": options.weights or str(WIDE)}
    backbone: Backbone = context.make("backbone", "pocket", **values)
    return backbone


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The component of this plugin."""
    yield Component(
        kind="backbone",
        name="pocket-wide",
        summary="pocket with a wider UNet, for discriminators alone",
        build=_wide,
        options=WideOptions,
        tiny={"weights": "tiny"},
        uses=("backbone/pocket",),
        paper="Architecture after Rombach et al., High-Resolution Image Synthesis with LDMs, 2022",
    )
