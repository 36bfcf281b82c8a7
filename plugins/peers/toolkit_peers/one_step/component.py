"""Registers the systems of one step: OSEDiff, PiSA-SR, and LoRA files of others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from toolkit.plugin import Component, Context
from toolkit_peers import published
from toolkit_peers.files import find_files
from toolkit_peers.options import SystemOptions, TaggedOptions

if TYPE_CHECKING:
    from toolkit.plugin import Restorer

_BASE = ("backbone/sd21",)


class OSEDiffOptions(TaggedOptions):
    """Options of `osediff`."""

    merged: Literal["all", "vae", "none"] = "all"
    """Networks into which their LoRA is merged, which saves time and changes results by rounding
    alone."""


class PiSAOptions(SystemOptions):
    """Options of `pisa-sr`."""

    pixel: float = Field(default=1.0, ge=0)
    """Strength of the pixel-level LoRA: more removes more noise and blur."""
    semantic: float = Field(default=1.0, ge=0)
    """Strength of the semantic LoRA: more adds more detail."""
    alpha: float = Field(default=8.0, gt=0)
    """Scale of the LoRA, times its rank; the publication leaves it open, 8 is peft's default."""


class LoraFileOptions(TaggedOptions):
    """Options of `lora-file`."""

    file: Path
    """LoRA for Stable Diffusion 2.1's UNet, and perhaps its VAE's encoder, in peft's layout."""
    rule: Literal["eq1", "residual"] = "eq1"
    """`eq1` removes the UNet's output as noise (eq. 1); `residual` subtracts it from the latent."""
    timestep: int = Field(default=999, ge=0, le=999)
    """The timestep that the LoRA was trained with."""
    alpha: float | None = Field(default=None, gt=0)
    """Scale of the LoRA, times its rank; by default the rank, for a scale of 1."""
    embedding: Path | None = None
    """File with learned embeddings of 77 tokens, in place of a prompt."""
    tagger: bool = False
    """Whether RAM with DAPE describes each image; without it, the prompt is `prompt` alone."""


def components() -> Iterator[Component]:
    """The systems of one step."""
    yield Component(
        kind="restorer",
        name="osediff",
        summary="OSEDiff: one step of SD2.1 with LoRA, prompts by a tagger",
        options=OSEDiffOptions,
        build=_osediff,
        variant="weights",
        paper="One-Step Effective Diffusion Network for Real-World Image Super-Resolution, "
        "Wu et al., 2024",
        licence="Apache-2.0 AND CreativeML-OpenRAIL++-M",
        weights=(published.OSEDIFF, published.TEXT_ENCODER, *published.TAGGER),
        uses=_BASE,
        tiny={"weights": "tiny"},
    )
    yield Component(
        kind="restorer",
        name="pisa-sr",
        summary="PiSA-SR: one step of SD2.1 with two adjustable LoRAs",
        options=PiSAOptions,
        build=_pisa,
        variant="weights",
        paper="Pixel-level and Semantic-level Adjustable Super-resolution: A Dual-LoRA Approach, "
        "Sun et al., 2025",
        licence="Apache-2.0 AND CreativeML-OpenRAIL++-M",
        weights=(published.PISA_SR, published.TEXT_ENCODER),
        uses=_BASE,
        tiny={"weights": "tiny"},
    )
    yield Component(
        kind="restorer",
        name="lora-file",
        summary="One step of SD2.1 with a LoRA file of yours",
        options=LoraFileOptions,
        build=_lora_file,
        variant="file",
        licence="that of the file AND CreativeML-OpenRAIL++-M",
        weights=(published.TEXT_ENCODER,),
        uses=_BASE,
        tiny={"file": Path(__file__).with_name("tiny-lora.safetensors"), "weights": "tiny"},
    )


def _osediff(options: OSEDiffOptions, context: Context) -> Restorer:
    files = find_files(options, context, published.OSEDIFF, tagger=options.tagger)
    from toolkit_peers.one_step.build import osediff

    return osediff(options, context, files)


def _pisa(options: PiSAOptions, context: Context) -> Restorer:
    files = find_files(options, context, published.PISA_SR)
    from toolkit_peers.one_step.build import pisa

    return pisa(options, context, files)


def _lora_file(options: LoraFileOptions, context: Context) -> Restorer:
    files = find_files(options, context, published.TEXT_ENCODER, tagger=options.tagger)
    from toolkit_peers.one_step.build import lora_file

    return lora_file(options, context, files)
