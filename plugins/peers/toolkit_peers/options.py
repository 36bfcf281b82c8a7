"""Options that all systems share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from toolkit.paths import absolute_if_there
from toolkit.plugin import Options
from toolkit_peers.files import MADE

Precision = Literal["float32", "bfloat16", "float16"]


def absolute(text: str) -> str:
    """Makes an existing path absolute, so that recipes can be used from other folders."""
    return text if not text or text in MADE else absolute_if_there(text)


class CommonOptions(Options):
    """Options of every published system."""

    weights: str = Field(default="", pattern=r"^[^\n]*$")
    """Your own files: a folder with files under their authors' names, or the system's main file;
    empty for the published ones, `random` for random weights, `tiny` for random weights and very
    narrow networks, for tests."""
    base: str = Field(default="", pattern=r"^[^\n]*$")
    """Stable Diffusion 2.1 base, as `--backbone sd21:` takes it; empty for the published files, or
    those in the folder `weights`."""
    prompt: str = Field(default="", pattern=r"^[^\n]*$")
    """Your own words on the images."""
    colour: Literal["adain", "wavelet", "none"] = "adain"
    """Method that matches the colours of the result to the LR image."""
    seed: int = Field(default=231, ge=0)
    """Start of the noise, anew for each image."""
    precision: Precision = "float32"
    """Data type of the networks; on a GPU their authors use float16."""

    _make_absolute = field_validator("weights", "base")(absolute)


class SystemOptions(CommonOptions):
    """Options of the systems that tile latents as OSEDiff does."""

    latent_tile: int = Field(default=96, ge=16)
    """Side of the UNet's tiles in latent pixels, of 8 image pixels each."""
    latent_overlap: int = Field(default=32, ge=0)
    """Overlap of the UNet's tiles in latent pixels."""


class TaggedOptions(SystemOptions):
    """Options of the systems that describe images with a tagger."""

    tagger: bool = True
    """Whether RAM with DAPE describes each image; without it, the prompt is `prompt` alone."""
