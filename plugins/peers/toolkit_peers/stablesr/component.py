"""Registers StableSR."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, field_validator, model_validator

from toolkit.plugin import Component, Context, Options
from toolkit_peers.files import MADE, locate
from toolkit_peers.options import Precision, absolute
from toolkit_peers.stablesr.published import FUSION, MAIN

if TYPE_CHECKING:
    from toolkit_peers.stablesr.restorer import StableSR


class StableSROptions(Options):
    """Options of the restorer `stablesr`; the defaults are the authors'."""

    weights: str = Field(default="", pattern=r"^[^\n]*$")
    """Your own files: a folder with files under their authors' names, or the main file; empty for
    the published ones, `random` for random weights, `tiny` for random weights and very narrow
    networks, for tests."""
    program: Literal["tiled", "crop"] = "tiled"
    """Which of the authors' programs is followed: `tiled` for any size, or `crop`, which starts
    from noise alone, for LR images of 128x128 pixels."""
    compatible: bool = False
    """Whether defects of the programs are reproduced, too, to compare pixels: results are truncated
    to 8 bits, and for images with a side below 128 (in the program `crop`, for all others than
    128x128) they may have another size than four times the image's, which `toolkit restore`
    refuses."""
    steps: int = Field(default=200, ge=1, le=1000)
    """Number of steps; 50 for a quarter of the time."""
    colour: Literal["adain", "wavelet", "none"] = "adain"
    """Method that matches the colours of the result to the LR image."""
    seed: int = Field(default=42, ge=0)
    """Start of the noise, anew for each image and each of its tiles."""
    latent_tile: int = Field(default=64, ge=16, multiple_of=8)
    """Side of the networks' tiles in latent pixels, of 8 image pixels each."""
    latent_overlap: int = Field(default=32, ge=0)
    """Overlap of the networks' tiles in latent pixels."""
    image_tile: int = Field(default=1280, ge=512, multiple_of=32)
    """Side of the tiles of large images, in pixels of the result."""
    image_overlap: int = Field(default=280, ge=0)
    """Overlap of the tiles of large images, in pixels of the result."""
    precision: Precision = "float32"
    """Data type of the networks; on a GPU their authors use float16."""

    @field_validator("weights")
    @classmethod
    def _make_absolute(cls, text: str) -> str:
        return absolute(text)

    @model_validator(mode="after")
    def _overlaps_in_part(self) -> Self:
        for name in ("latent", "image"):
            tile, overlap = getattr(self, f"{name}_tile"), getattr(self, f"{name}_overlap")
            if overlap >= tile:
                raise ValueError(f"{name}_overlap={overlap} is not below {name}_tile={tile}")
        return self


def components() -> Iterator[Component]:
    """StableSR."""
    yield Component(
        kind="restorer",
        name="stablesr",
        summary="StableSR: 200 steps of modulated Stable Diffusion",
        build=_build,
        options=StableSROptions,
        variant="weights",
        paper="J. Wang et al., Exploiting Diffusion Prior for Real-World Image Super-Resolution, "
        "2023",
        licence="LicenseRef-S-Lab-1.0 AND CC-BY-NC-SA-4.0 AND CreativeML-OpenRAIL++-M",
        weights=(MAIN, FUSION),
        tiny={"weights": "tiny", "steps": 1},
    )


def _build(options: StableSROptions, context: Context) -> StableSR:
    made = options.weights in MADE or not context.read_weights
    files = {} if made else locate(options.weights, (MAIN, FUSION), MAIN)

    from toolkit_peers.stablesr.build import build

    return build(options, context, files)
