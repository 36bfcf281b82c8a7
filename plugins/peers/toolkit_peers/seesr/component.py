"""Registers the restorer `seesr`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from toolkit.plugin import Component, Context
from toolkit_peers import published
from toolkit_peers.files import BASE, find_files
from toolkit_peers.options import TaggedOptions

if TYPE_CHECKING:
    from toolkit.plugin import Restorer


class SeeSROptions(TaggedOptions):
    """Options of the restorer `seesr`."""

    tagger: bool = True
    """Whether RAM with DAPE describes each image; without it, the prompt is `prompt` and
    `added_prompt` alone, and zeros take the place of the image tokens to which SeeSR attends."""
    steps: int = Field(default=50, ge=1, le=999)
    """Number of steps."""
    guidance: float = Field(default=5.5, ge=0)
    """Scale of classifier-free guidance; up to 1, there is none, in half the time."""
    added_prompt: str = Field(default="clean, high-resolution, 8k", pattern=r"^[^\n]*$")
    """End of every prompt."""
    negative_prompt: str = Field(default="dotted, noise, blur, lowres, smooth", pattern=r"^[^\n]*$")
    """What guidance leads away from."""
    latent_overlap: int = Field(default=4, ge=0)
    """Overlap of the UNet's tiles in latent pixels."""


def components() -> Iterator[Component]:
    """The components of this system."""
    yield Component(
        kind="restorer",
        name="seesr",
        summary="SeeSR: 50 steps of Stable Diffusion, prompted by tags",
        build=_build,
        options=SeeSROptions,
        variant="weights",
        paper="Wu et al., SeeSR: Towards Semantics-Aware Real-World Image Super-Resolution, 2024",
        licence=published.SEESR_UNET.licence,
        weights=(
            published.SEESR_UNET,
            published.SEESR_CONTROLNET,
            published.TEXT_ENCODER,
            *published.TAGGER,
        ),
        uses=(f"backbone/{BASE}",),
        tiny={"weights": "tiny", "steps": 1},
    )


def _build(options: SeeSROptions, context: Context) -> Restorer:
    files = find_files(
        options,
        context,
        published.SEESR_UNET,
        (published.SEESR_CONTROLNET,),
        tagger=options.tagger,
        unet=False,
    )
    from toolkit_peers.seesr.build import build

    return build(options, context, files)
