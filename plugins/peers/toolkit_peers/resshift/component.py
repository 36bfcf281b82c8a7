"""Registers ResShift and SinSR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, field_validator, model_validator

from toolkit.plugin import Component, Options
from toolkit_peers.files import MADE, locate
from toolkit_peers.options import Precision, absolute
from toolkit_peers.resshift import published

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.plugin import Context, WeightFile
    from toolkit_peers.resshift.restorer import ResShift

Version = Literal["v1", "v2"]


class SinSROptions(Options):
    """Options of SinSR; the defaults are its authors' program's."""

    version: Version = "v1"
    """Which of the published weights; the authors' commands use `v1` for RealSet65 and `v2` for
    RealSR."""
    weights: str = Field(default="", pattern=r"^[^\n]*$")
    """Your own files: a folder with files under their authors' names, or the U-Net's file; empty
    for the published ones, `random` for random weights, `tiny` for random weights and very narrow
    networks, for tests."""
    colour: Literal["adain", "wavelet", "none"] = "none"
    """Method that matches the colours of the result to the LR image."""
    seed: int = Field(default=12345, ge=0)
    """Start of the noise, anew for each image; the authors' program starts once for all images."""
    tile: int | None = Field(default=None, ge=0, multiple_of=64)
    """Side of tiles in LR pixels; 0 for whole images; by default the authors' 512, but 64 for
    `tiny` weights, as attention takes hours for large tiles on a processor."""
    overlap: int | None = Field(default=None, ge=0)
    """Overlap of tiles in LR pixels; by default the authors': an eighth of a tile, but 16 for tiles
    of 64."""
    compatible: bool = False
    """Whether overlapping tiles are averaged as in the authors' program, which may show at their
    borders; else they fade into each other."""
    precision: Precision = "float32"
    """Data type of the networks, except of the U-Net's norms; on a GPU the authors use float16."""

    _make_absolute = field_validator("weights")(absolute)

    @model_validator(mode="after")
    def _tiles_move_on(self) -> Self:
        tile = _tile(self)
        if tile and self.overlap is not None and self.overlap >= tile:
            raise ValueError("overlap must be less than tile")
        return self


class ResShiftOptions(SinSROptions):
    """Options of ResShift; the defaults are its authors' program's."""

    version: Version = "v1"
    """Which of the published weights; `v2` was trained for longer."""
    steps: int = Field(default=15, ge=1, le=15)
    """Number of denoising steps; the weights were trained for 15."""


def components() -> Iterator[Component]:
    """ResShift and SinSR."""
    yield Component(
        kind="restorer",
        name="resshift",
        summary="ResShift: 15 steps from the LR image, without text",
        build=_resshift,
        options=ResShiftOptions,
        variant="weights",
        paper="Z. Yue et al., ResShift: Efficient Diffusion Model for Image Super-resolution by "
        "Residual Shifting, 2023",
        licence=published.RESSHIFT_LICENCE,
        weights=(*published.RESSHIFT.values(), published.AUTOENCODER),
        tiny={"weights": "tiny", "steps": 2},
    )
    yield Component(
        kind="restorer",
        name="sinsr",
        summary="SinSR: ResShift distilled to one step",
        build=_sinsr,
        options=SinSROptions,
        variant="weights",
        paper="Y. Wang et al., SinSR: Diffusion-Based Image Super-Resolution in a Single Step, "
        "2024",
        licence=f"{published.SINSR_LICENCE} AND {published.RESSHIFT_LICENCE}",
        weights=(*published.SINSR.values(), published.AUTOENCODER),
        tiny={"weights": "tiny"},
    )


def _resshift(options: ResShiftOptions, context: Context) -> ResShift:
    return _build("ResShift", published.RESSHIFT[options.version], options.steps, options, context)


def _sinsr(options: SinSROptions, context: Context) -> ResShift:
    return _build("SinSR", published.SINSR[options.version], 1, options, context)


def _build(
    system: str, file: WeightFile, steps: int, options: SinSROptions, context: Context
) -> ResShift:
    """Makes a system, after looking for its files.

    Raises:
        WeightsError: A file is missing, damaged or of another model.
    """
    made = options.weights in MADE or not context.read_weights
    files = (file, published.AUTOENCODER)
    paths = {} if made else locate(options.weights, files, file)

    from toolkit_peers.resshift.build import networks
    from toolkit_peers.resshift.restorer import ResShift, Settings

    tile = _tile(options)
    settings = Settings(
        system=system,
        version=options.version,
        steps=steps,
        tile=tile,
        overlap=_overlap(tile) if options.overlap is None else options.overlap,
        colour=options.colour,
        seed=options.seed,
        compatible=options.compatible,
    )
    unet, autoencoder = (paths.get(each) for each in files)
    made_networks = networks(
        options.weights, unet, autoencoder, options.precision, hollow=not context.read_weights
    )
    return ResShift(made_networks, settings)


def _tile(options: SinSROptions) -> int:
    if options.tile is not None:
        return options.tile
    return 64 if options.weights == "tiny" else 512


def _overlap(tile: int) -> int:
    return 16 if tile == 64 else tile // 8
