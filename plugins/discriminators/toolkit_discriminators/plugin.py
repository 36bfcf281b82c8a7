"""Registers the discriminators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from toolkit.plugin import Component, Context, Options, Selection, hookimpl

if TYPE_CHECKING:
    from toolkit.plugin import Discriminator
    from toolkit_discriminators.noising import Noising


class DiffusionOptions(Options):
    """Options of the diffusion discriminators."""

    backbone: Selection | None = None
    """Backbone of the trunk; by default the recipe's backbone (paper: SD2.1 or SDXL)."""
    lora_rank: int = Field(default=16, ge=1)
    """Rank of the trunk's LoRA (paper: 16)."""
    lora_alpha: float = Field(default=16.0, gt=0)
    """Scaling factor of the LoRA (paper: 16)."""
    head: Literal["mlp", "convolutions"] = "mlp"
    """Head that turns features into logits: an MLP per location (paper: "MLP"), or two 4x4
    convolutions, as in related systems."""
    shared_draws: bool = False
    """Whether real and fake get the same timestep and noise; open in the paper."""
    share: bool = True
    """Whether trunk and generator share frozen weights if they use the same backbone; saves the
    memory of the trunk's weights without changing results."""


class DiffusionGanOptions(DiffusionOptions):
    """Options of `diffusion-gan`."""

    target: float = Field(default=0.6, ge=-1, le=1)
    """Value of E[sign D(real)] above which noise grows (Wang et al.: 0.6)."""
    ramp: int = Field(default=100_000, ge=1)
    """Number of images over which noise grows from minimum to maximum (Wang et al.: 100,000)."""
    sampling: Literal["priority", "uniform"] = "priority"
    """Probability of a timestep below the current maximum: proportional to t, or uniform."""


def _make(options: DiffusionOptions, context: Context, noising: Noising) -> Discriminator:
    from toolkit_discriminators.diffusion import DiffusionDiscriminator

    return DiffusionDiscriminator(
        context.make_backbone(options.backbone),
        noising,
        lora_rank=options.lora_rank,
        lora_alpha=options.lora_alpha,
        head=options.head,
        shared_draws=options.shared_draws,
        share=options.share,
    )


def _nad(options: DiffusionOptions, context: Context) -> Discriminator:
    from toolkit_discriminators.noising import UniformNoise

    return _make(options, context, UniformNoise())


def _vanilla(options: DiffusionOptions, context: Context) -> Discriminator:
    from toolkit_discriminators.noising import NoNoise

    return _make(options, context, NoNoise())


def _diffusion_gan(options: DiffusionGanOptions, context: Context) -> Discriminator:
    import torch

    from toolkit_discriminators.noising import AdaptiveNoise

    noising = AdaptiveNoise(
        target=options.target,
        ramp=options.ramp,
        sampling=options.sampling,
        seed=torch.initial_seed() % 2**32,
    )
    return _make(options, context, noising)


def _none(_options: Any, _context: Context) -> Discriminator:
    from toolkit_discriminators.none import NoDiscriminator

    return NoDiscriminator()


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(
        kind="discriminator",
        name="nad",
        summary="Noise-aware: a diffusion model's UNet judges noised latents",
        build=_nad,
        options=DiffusionOptions,
        variant="backbone",
        paper="DFOSD, section 3.2, eqs. 2-4",
        tiny={"lora_rank": 2},
    )
    yield Component(
        kind="discriminator",
        name="vanilla",
        summary="nad's trunk and head, on clean latents",
        build=_vanilla,
        options=DiffusionOptions,
        variant="backbone",
        paper="DFOSD, Table 6, second row",
        tiny={"lora_rank": 2},
    )
    yield Component(
        kind="discriminator",
        name="diffusion-gan",
        summary="nad's trunk and head, with noise that adapts (Diffusion-GAN)",
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
