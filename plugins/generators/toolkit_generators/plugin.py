"""Registers the generators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from toolkit.plugin import Component, Context, Options, Selection, hookimpl

if TYPE_CHECKING:
    from toolkit.plugin import Generator


class OneStepOptions(Options):
    """Options of `one-step`."""

    backbone: Selection | None = None
    """Backbone that supplies VAE and UNet; by default the recipe's (paper: SD2.1-base)."""
    timestep: int = Field(default=399, ge=0, le=999)
    """T_L of eq. 1; open in the paper ("an intermediate time step")."""
    lora_rank: int = Field(default=16, ge=0)
    """Rank of the UNet's LoRA (paper: 16); 0 trains all UNet weights instead."""
    lora_alpha: float = Field(default=16.0, gt=0)
    """Scaling factor of the LoRA (paper: 16)."""
    lora_layers: str = "dfosd"
    """Layers that get LoRA: `dfosd`, `osediff` or `img2img-turbo`; open in the paper, but
    `dfosd` agrees with its Table 3."""
    posterior: Literal["mode", "sample"] = "mode"
    """Whether to encode to the mode of the VAE's posterior or to a sample, seeded by the image
    itself; open in the paper, related systems sample."""


def _one_step(options: OneStepOptions, context: Context) -> Generator:
    from toolkit_generators.one_step import OneStep

    return OneStep(
        context.make_backbone(options.backbone),
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
