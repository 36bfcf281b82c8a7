"""Builds SeeSR from its options."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from torch import nn

from toolkit.plugin import Context
from toolkit_peers import published
from toolkit_peers.files import BASE, Files
from toolkit_peers.parts import Parts
from toolkit_peers.seesr import networks
from toolkit_peers.seesr.restorer import SeeSR, Settings

if TYPE_CHECKING:
    from toolkit_peers.seesr.component import SeeSROptions


def build(options: SeeSROptions, context: Context, files: Files) -> SeeSR:
    """Builds the restorer.

    Raises:
        WeightsError: A file is damaged, or of another network.
    """
    parts = Parts(options, context, files)
    network = _network(parts, _shape(options, context, files).unet())
    prompts = parts.prompts(
        ", ".join(filter(None, (options.prompt, options.added_prompt))),
        lambda tags: f"{tags}, {options.prompt},{options.added_prompt}",
        tagger=options.tagger,
    )
    settings = Settings(
        steps=options.steps,
        guidance=options.guidance,
        negative_prompt=options.negative_prompt,
        colour=options.colour,
        seed=options.seed,
        latent_tile=options.latent_tile,
        latent_overlap=options.latent_overlap,
    )
    return SeeSR(network, parts.backbone.vae(), prompts, parts.backbone.latent_scaling, settings)


def _shape(options: SeeSROptions, context: Context, files: Files) -> Any:
    """The backbone of which the networks have the shape, without weights."""
    hollow = dataclasses.replace(context, read_weights=False)
    weights = "tiny" if files.base == "tiny" else "random"
    return hollow.make("backbone", BASE, weights=weights, precision=options.precision)


def _network(parts: Parts, unet: Any) -> networks.ControlledUNet:
    """Builds UNet and ControlNet from a UNet without weights."""
    controlnet = networks.controlnet_for(unet)
    for network, file in (
        (unet, published.SEESR_UNET),
        (controlnet, published.SEESR_CONTROLNET),
    ):
        networks.add_image_attentions(network)
        if checkpoint := parts.checkpoint(file):
            networks.load(network, checkpoint, parts.precision)
        elif not parts.hollow:
            networks.randomise(network)
        # diffusers' own method warns about float16, in which all of this works.
        nn.Module.to(network, parts.precision)
    return networks.ControlledUNet(unet, controlnet)
