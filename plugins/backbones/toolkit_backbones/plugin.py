"""Registers the backbones and the restorer `pocket`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from toolkit.paths import absolute_if_there
from toolkit.plugin import Component, Context, Options, hookimpl
from toolkit_backbones import published

if TYPE_CHECKING:
    from toolkit.plugin import Backbone, Restorer, WeightFile
    from toolkit_backbones.architecture import Architecture, Part
    from toolkit_backbones.sources import Source

POCKET = Path(__file__).parent / "pocket"
_RANDOM = ("random", "tiny")


class BackboneOptions(Options):
    """Options of the backbones."""

    weights: str = Field(default="", pattern=r"^[^\n]*$")
    """Folder in diffusers' layout, safetensors file in the original layout, or OWNER/NAME on the
    model hub; empty for the published weights, `random` for random weights, `tiny` for random
    weights and very narrow layers, for tests."""

    @field_validator("weights")
    @classmethod
    def _make_absolute(cls, weights: str) -> str:
        """Makes existing paths absolute, so recipes can be used from other folders."""
        return weights if not weights or weights in _RANDOM else absolute_if_there(weights)

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Data type of frozen weights; trainable parameters stay float32."""
    checkpointing: bool = False
    """Whether to use gradient checkpointing: saves memory, but takes longer."""


class RestorerOptions(Options):
    """Options of the restorer `pocket`."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Data type of the networks."""


def _pocket(options: BackboneOptions, context: Context) -> Backbone:
    from toolkit_backbones.shipped import SUMS, Shipped
    from toolkit_backbones.sources import Folder, look_up

    # The architecture is read from the folder, as a new pretraining may change it.
    custom = options.weights if options.weights not in _RANDOM else ""
    path = look_up(custom) if custom else POCKET
    has_sums = not custom or (path / SUMS).exists()
    folder = Shipped(path, "pocket", base=POCKET) if has_sums else Folder(path, "pocket")
    return _assemble("pocket", folder.architecture(), folder, options, context)


def _restorer(options: RestorerOptions, context: Context) -> Restorer:
    from toolkit.runs import Run

    run = Run(_run())
    return run.restorer(context.registry, options.precision, read_weights=context.read_weights)


def _run() -> Path:
    from toolkit_backbones.shipped import check_sums

    check_sums(POCKET)
    return POCKET / "restorer"


def _stable_diffusion(
    name: str, files: Mapping[Part, WeightFile]
) -> Callable[[BackboneOptions, Context], Backbone]:
    def build(options: BackboneOptions, context: Context) -> Backbone:
        from toolkit_backbones.architecture import published_architecture
        from toolkit_backbones.sources import Published, named_source

        architecture = published_architecture(name)
        source: Source | None = Published(files)
        if options.weights and options.weights not in _RANDOM:
            source = named_source(options.weights, name, architecture)
        return _assemble(name, architecture, source, options, context)

    return build


def _assemble(
    name: str,
    architecture: Architecture,
    source: Source | None,
    options: BackboneOptions,
    context: Context,
) -> Backbone:
    import torch

    from toolkit_backbones.architecture import narrowed
    from toolkit_backbones.latent_diffusion import LatentDiffusion

    return LatentDiffusion(
        name,
        narrowed(architecture) if options.weights == "tiny" else architecture,
        None if options.weights in _RANDOM else source,
        precision=getattr(torch, options.precision),
        checkpointing=options.checkpointing,
        hollow=not context.read_weights,
    )


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(
        kind="backbone",
        name="pocket",
        summary="A small latent diffusion model, shipped with the toolkit",
        build=_pocket,
        options=BackboneOptions,
        variant="weights",
        paper="Architecture after Rombach et al., High-Resolution Image Synthesis with LDMs, 2022",
    )
    yield Component(
        kind="restorer",
        name="pocket",
        summary="The one-step model that ships with the toolkit",
        build=_restorer,
        options=RestorerOptions,
        uses=("backbone/pocket", "generator/one-step"),
        run=_run,
        paper="DFOSD, at the scale of pocket",
    )
    yield Component(
        kind="backbone",
        name="sd21",
        summary="Stable Diffusion 2.1 base, the paper's generator",
        build=_stable_diffusion("sd21", published.SD21),
        options=BackboneOptions,
        variant="weights",
        paper="Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models, 2022",
        licence=published.LICENCE,
        weights=tuple(published.SD21.values()),
        tiny={"weights": "tiny"},
    )
    yield Component(
        kind="backbone",
        name="sdxl",
        summary="Stable Diffusion XL base, the discriminator's in Table 6",
        build=_stable_diffusion("sdxl", published.SDXL),
        options=BackboneOptions,
        variant="weights",
        paper="Podell et al., SDXL: Improving Latent Diffusion Models for High-Resolution Image "
        "Synthesis, 2023",
        licence=published.LICENCE,
        weights=tuple(published.SDXL.values()),
        tiny={"weights": "tiny"},
    )
