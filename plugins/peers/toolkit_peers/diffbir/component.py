"""Registers DiffBIR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from toolkit.plugin import Component
from toolkit_peers import published
from toolkit_peers.files import BASE, Files, find_files
from toolkit_peers.options import CommonOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.plugin import Context
    from toolkit_peers.diffbir.restorer import DiffBIR, Networks

_FILES = (published.DIFFBIR, published.BSRNET, published.TEXT_ENCODER)


class DiffBIROptions(CommonOptions):
    """Options of DiffBIR; the defaults are the paper's."""

    colour: Literal["adain", "wavelet", "none"] = "wavelet"
    """Method that matches the colours of the result to the cleaned image."""
    negative_prompt: str = Field(
        default="low quality, blurry, low-resolution, noisy, unsharp, weird textures",
        pattern=r"^[^\n]*$",
    )
    """What the result should not look like."""
    steps: int = Field(default=50, ge=1, le=1000)
    """Number of denoising steps."""
    guidance: float = Field(default=4.0, ge=0)
    """Scale of classifier-free guidance; 1 halves the time, and ignores `negative_prompt`."""
    rescaled_guidance: bool = False
    """Whether guidance rises from 1 while sampling."""
    start: Literal["noise", "cond"] = "noise"
    """What sampling starts from: noise alone, or the cleaned image with noise."""
    latent_tile: int | None = Field(default=None, ge=0, multiple_of=8)
    """Side of the UNet's tiles in latent pixels, of 8 image pixels each, in multiples of 8; they
    overlap by half, and the other networks work in tiles, too. 0 for whole images; by default they
    are whole up to 2048x2048 pixels of the result, then in tiles of 64."""


def components() -> Iterator[Component]:
    """DiffBIR."""
    yield Component(
        kind="restorer",
        name="diffbir",
        summary="DiffBIR v2: 50 steps of Stable Diffusion after BSRNet",
        build=build,
        options=DiffBIROptions,
        variant="weights",
        paper="X. Lin et al., DiffBIR: Toward Blind Image Restoration with Generative Diffusion "
        "Prior, 2024",
        licence="Apache-2.0 AND MIT AND CreativeML-OpenRAIL++-M",
        weights=_FILES,
        uses=(f"backbone/{BASE}",),
        tiny={"weights": "tiny", "steps": 2},
    )


def build(options: DiffBIROptions, context: Context) -> DiffBIR:
    """Makes DiffBIR.

    Raises:
        WeightsError: A file is missing, damaged or of another model.
    """
    files = find_files(options, context, published.DIFFBIR, [published.BSRNET])

    from toolkit_peers.diffbir.restorer import DiffBIR, Settings

    settings = Settings(
        prompt=options.prompt,
        negative=options.negative_prompt,
        steps=options.steps,
        guidance=options.guidance,
        rescaled=options.rescaled_guidance,
        start=options.start,
        tile=options.latent_tile,
        colour=options.colour,
        seed=options.seed,
    )
    return DiffBIR(_networks(options, context, files), settings)


def _networks(options: DiffBIROptions, context: Context, files: Files) -> Networks:
    from torch import nn

    from toolkit_peers.diffbir.bsrnet import bsrnet, read_bsrnet
    from toolkit_peers.diffbir.controlnet import control_network, read_control_network
    from toolkit_peers.diffbir.restorer import Networks
    from toolkit_peers.parts import Parts

    parts = Parts(options, context, files)
    hollow = parts.hollow or not files.made
    cleaner = bsrnet(*((8, 2, 4) if options.weights == "tiny" else ()), hollow=hollow)
    if checkpoint := parts.checkpoint(published.BSRNET):
        read_bsrnet(cleaner, checkpoint.unwrapped())
    text = parts.prompts("").encode
    unet = parts.backbone.unet()
    controlnet = control_network(unet.config, hollow=hollow)
    if checkpoint := parts.checkpoint(published.DIFFBIR):
        read_control_network(controlnet, checkpoint.unwrapped())
    return Networks(
        bsrnet=nn.Module.to(cleaner, parts.precision),
        controlnet=nn.Module.to(controlnet, parts.precision),
        unet=unet,
        vae=parts.backbone.vae(),
        text=text,
        latent_scaling=parts.backbone.latent_scaling,
    )
