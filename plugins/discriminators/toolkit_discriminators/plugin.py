"""The discriminators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from toolkit.component import Component, Options
from toolkit.hookspecs import hookimpl
from toolkit.specs import Selection

if TYPE_CHECKING:
    from toolkit.interfaces import Discriminator
    from toolkit_discriminators.noising import Noising


class DiffusionOptions(Options):
    """Options of every discriminator that is made of a diffusion model."""

    backbone: Selection = Selection(use="pocket")
    """Whose UNet is the trunk; a recipe fills in its own backbone (paper: SD2.1 or SDXL)."""
    lora_rank: int = Field(default=16, ge=1)
    """Rank of the trunk's LoRA (paper: 16)."""
    lora_alpha: float = Field(default=16.0, gt=0)
    """Scaling factor of the LoRA (paper: 16)."""
    head: Literal["mlp", "convolutions"] = "mlp"
    """What turns features into votes: an MLP for each location (paper: "MLP"), or two 4x4
    convolutions, as siblings have."""
    shared_draws: bool = False
    """Whether real and fake get the same timestep and noise; open in the paper."""
    share: bool = True
    """Whether one set of frozen weights serves trunk and generator, where they have the same
    backbone: the results are the same, and the trunk's weights are saved."""


class DiffusionGanOptions(DiffusionOptions):
    """Options of `diffusion-gan`."""

    target: float = Field(default=0.6, ge=-1, le=1)
    """Of E[sign D(real)], above which noise grows (Wang et al.: 0.6)."""
    ramp: int = Field(default=100_000, ge=1)
    """After how many images noise has grown from its least to its most (Wang et al.: 100,000)."""
    sampling: Literal["priority", "uniform"] = "priority"
    """How timesteps below the present most are drawn: in proportion to t, or all alike."""


def _make(options: DiffusionOptions, noising: Noising) -> Discriminator:
    import toolkit
    from toolkit_discriminators.diffusion import DiffusionDiscriminator

    return DiffusionDiscriminator(
        toolkit.make("backbone", options.backbone),
        noising,
        lora_rank=options.lora_rank,
        lora_alpha=options.lora_alpha,
        head=options.head,
        shared_draws=options.shared_draws,
        share=options.share,
    )


def _nad(options: DiffusionOptions) -> Discriminator:
    from toolkit_discriminators.noising import UniformNoise

    return _make(options, UniformNoise())


def _vanilla(options: DiffusionOptions) -> Discriminator:
    from toolkit_discriminators.noising import NoNoise

    return _make(options, NoNoise())


def _diffusion_gan(options: DiffusionGanOptions) -> Discriminator:
    import torch

    from toolkit_discriminators.noising import AdaptiveNoise

    noising = AdaptiveNoise(
        target=options.target,
        ramp=options.ramp,
        sampling=options.sampling,
        seed=torch.initial_seed() % 2**32,
    )
    return _make(options, noising)


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
        options=DiffusionOptions,
        variant="backbone",
        paper="DFOSD, section 3.2, eqs. 2-4",
        tiny={"lora_rank": 2},
    )
    yield Component(
        kind="discriminator",
        name="vanilla",
        summary="The same trunk and head on clean latents",
        build=_vanilla,
        options=DiffusionOptions,
        variant="backbone",
        paper="DFOSD, Table 6, second row",
        tiny={"lora_rank": 2},
    )
    yield Component(
        kind="discriminator",
        name="diffusion-gan",
        summary="The same trunk and head, with noise that adapts to how sure it is",
        build=_diffusion_gan,
        options=DiffusionGanOptions,
        variant="backbone",
        paper="Wang et al., Diffusion-GAN, 2023; DFOSD, Table 6, third row",
        tiny={"lora_rank": 2},
    )
    yield Component(
        kind="discriminator",
        name="none",
        summary="No adversarial training",
        build=_none,
        paper="DFOSD, Table 6, first row",
    )
