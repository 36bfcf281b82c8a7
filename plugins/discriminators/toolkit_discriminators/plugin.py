"""The discriminators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import Field

from toolkit.component import Component, Options
from toolkit.hookspecs import hookimpl
from toolkit.specs import Selection

if TYPE_CHECKING:
    from toolkit.interfaces import Discriminator


class NoiseAwareOptions(Options):
    """Options of `nad`."""

    backbone: Selection = Selection(use="pocket")
    """Whose UNet is the trunk; a recipe fills in its own backbone (paper: SD2.1 or SDXL)."""
    lora_rank: int = Field(default=16, ge=1)
    """Rank of the trunk's LoRA (paper: 16)."""
    lora_alpha: float = Field(default=16.0, gt=0)
    """Scaling factor of the LoRA (paper: 16)."""
    shared_draws: bool = False
    """Whether real and fake get the same timestep and noise; open in the paper."""


def _nad(options: NoiseAwareOptions) -> Discriminator:
    import toolkit
    from toolkit_discriminators.noise_aware import NoiseAware

    return NoiseAware(
        toolkit.make("backbone", options.backbone),
        lora_rank=options.lora_rank,
        lora_alpha=options.lora_alpha,
        shared_draws=options.shared_draws,
    )


def _none(_options: Any) -> Discriminator:
    from toolkit_discriminators.absent import Absent

    return Absent()


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(
        kind="discriminator",
        name="nad",
        summary="Noise-aware: the diffusion model itself judges noised latents",
        build=_nad,
        options=NoiseAwareOptions,
        variant="backbone",
        paper="DFOSD, section 3.2, eqs. 2-4",
        tiny={"lora_rank": 2},
    )
    yield Component(
        kind="discriminator",
        name="none",
        summary="No adversarial training",
        build=_none,
        paper="DFOSD, Table 6, first row",
    )
