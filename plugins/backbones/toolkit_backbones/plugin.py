"""The backbones: pretrained latent diffusion models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from toolkit.component import Component, Options
from toolkit.hookspecs import hookimpl
from toolkit.paths import user_path
from toolkit_backbones import published

if TYPE_CHECKING:
    from toolkit.component import WeightFile
    from toolkit.interfaces import Backbone, Restorer
    from toolkit_backbones.architecture import Architecture, Part
    from toolkit_backbones.sources import Source

POCKET = Path(__file__).parent / "pocket"
_RANDOM = ("random", "tiny")


class BackboneOptions(Options):
    """Options of every backbone."""

    weights: str = Field(default="", pattern=r"^[^\n]*$")
    """Nothing: the published weights. `random`: the same architecture with random weights. `tiny`:
    the same layers, very narrow, random; for tests. Else a folder in diffusers' layout, a
    safetensors file in the original layout, or OWNER/NAME on the model hub."""

    @field_validator("weights")
    @classmethod
    def _from_anywhere(cls, weights: str) -> str:
        """A path that is there, absolute: a recipe may be used in another folder."""
        if not weights or weights in _RANDOM:
            return weights
        try:
            place = user_path(weights)
            return str(place.absolute()) if place.exists() else weights
        except OSError:  # a name too long
            return weights

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """What the frozen weights are held in; what is trained stays float32."""
    checkpointing: bool = False
    """Computes inner activations again in the backward pass instead of keeping them."""


class RestorerOptions(Options):
    """Options of the restorer `pocket`."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """What the networks compute in."""


def _pocket(options: BackboneOptions) -> Backbone:
    from toolkit_backbones.shipped import SUMS, Shipped
    from toolkit_backbones.sources import Folder, look_up

    # It is whatever its folder says: pretraining it anew may change its shape.
    given = options.weights if options.weights not in _RANDOM else ""
    place = look_up(given) if given else POCKET
    listed = not given or (place / SUMS).exists()
    folder = Shipped(place, "pocket") if listed else Folder(place, "pocket")
    return _assembled("pocket", folder.architecture(), folder, options)


def _restorer(options: RestorerOptions) -> Restorer:
    from toolkit.registry import installed
    from toolkit.runs import Run

    return Run(_run()).restorer(installed(), options.precision)


def _run() -> Path:
    from toolkit_backbones.shipped import check_sums

    check_sums(POCKET)
    return POCKET / "restorer"


def _stable_diffusion(
    name: str, files: Mapping[Part, WeightFile]
) -> Callable[[BackboneOptions], Backbone]:
    def build(options: BackboneOptions) -> Backbone:
        from toolkit_backbones.architecture import published_architecture
        from toolkit_backbones.sources import Published, named_source

        architecture = published_architecture(name)
        source: Source | None = Published(files)
        if options.weights and options.weights not in _RANDOM:
            source = named_source(options.weights, name, architecture)
        return _assembled(name, architecture, source, options)

    return build


def _assembled(
    name: str, architecture: Architecture, source: Source | None, options: BackboneOptions
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
    )


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(
        kind="backbone",
        name="pocket",
        summary="A small latent diffusion model, pretrained on photographs and shipped",
        build=_pocket,
        options=BackboneOptions,
        variant="weights",
        paper="Architecture after Rombach et al., High-Resolution Image Synthesis with LDMs, 2022",
    )
    yield Component(
        kind="restorer",
        name="pocket",
        summary="One diffusion step on pocket, trained by NAD and EA-DISTS, and shipped",
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
        summary="Stable Diffusion XL base, the stronger judge of Table 6",
        build=_stable_diffusion("sdxl", published.SDXL),
        options=BackboneOptions,
        variant="weights",
        paper="Podell et al., SDXL: Improving Latent Diffusion Models for High-Resolution Image "
        "Synthesis, 2023",
        licence=published.LICENCE,
        weights=tuple(published.SDXL.values()),
        tiny={"weights": "tiny"},
    )
