"""The generators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from toolkit.component import Component, Options
from toolkit.hookspecs import hookimpl
from toolkit.specs import Selection

if TYPE_CHECKING:
    from toolkit.interfaces import Generator


class OneStepOptions(Options):
    """Options of `one-step`."""

    backbone: Selection = Selection(use="pocket")
    """Whose VAE and UNet are used; a recipe fills in its own backbone (paper: SD2.1-base)."""
    timestep: int = Field(default=399, ge=0, le=999)
    """T_L of eq. 1; open in the paper ("an intermediate time step")."""
    lora_rank: int = Field(default=16, ge=0)
    """Rank of the UNet's LoRA (paper: 16); 0 trains all of the UNet's weights instead."""
    lora_alpha: float = Field(default=16.0, gt=0)
    """Scaling factor of the LoRA (paper: 16)."""
    lora_layers: str = "dfosd"
    """Which layers take LoRA: `dfosd`, `osediff`, `img2img-turbo`; open in the paper, the first is
    the one that explains its Table 3."""
    posterior: Literal["mode", "sample"] = "mode"
    """What is taken of the VAE's posterior: open in the paper; siblings sample. The noise of a
    sample follows from the image itself, so restoring stays a function of it."""


def _one_step(options: OneStepOptions) -> Generator:
    import toolkit
    from toolkit_generators.one_step import OneStep

    return OneStep(
        toolkit.make("backbone", options.backbone),
        timestep=options.timestep,
        lora_rank=options.lora_rank,
        lora_alpha=options.lora_alpha,
        lora_layers=options.lora_layers,
        posterior=options.posterior,
    )


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(
        kind="generator",
        name="one-step",
        summary="One diffusion step from the LR image's own latent, by LoRA",
        build=_one_step,
        options=OneStepOptions,
        variant="backbone",
        paper="DFOSD, eq. 1",
        tiny={"lora_rank": 2},
    )
