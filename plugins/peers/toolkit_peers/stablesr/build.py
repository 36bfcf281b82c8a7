"""Builds StableSR from its options."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from toolkit.plugin import Checkpoint, Context, WeightFile
from toolkit_peers.files import BASE
from toolkit_peers.making import freeze, making
from toolkit_peers.stablesr.fusion import add_fusions
from toolkit_peers.stablesr.modulation import add_modulations
from toolkit_peers.stablesr.networks import Networks, read_fusion, read_main
from toolkit_peers.stablesr.published import FUSION, MAIN
from toolkit_peers.stablesr.restorer import Settings, StableSR
from toolkit_peers.stablesr.structure import TimeAwareEncoder
from toolkit_peers.text import TextEncoder, text_network

if TYPE_CHECKING:
    from toolkit_peers.stablesr.component import StableSROptions

_WIDTH, _TINY_WIDTH = 256, 16
"""Of the time-aware encoder."""
_GROWTH, _TINY_GROWTH = 32, 4
"""Of the fusions' dense blocks."""


def build(options: StableSROptions, context: Context, files: Mapping[WeightFile, Path]) -> StableSR:
    """Builds the restorer.

    Args:
        options: Its options.
        context: The context in which it is built.
        files: Its files; none if weights are random, or none are read.

    Raises:
        WeightsError: A file is damaged, or of another network.
    """
    precision: torch.dtype = getattr(torch, options.precision)
    hollow = bool(files) or not context.read_weights
    networks = _made(options, dataclasses.replace(context, read_weights=not hollow))
    if files:
        # One after the other, so that only one of them is in memory.
        read_main(networks, Checkpoint.read(files[MAIN]).unwrapped(), precision)
        read_fusion(networks.fusion, Checkpoint.read(files[FUSION]).unwrapped(), precision)
    for network in networks.by_name.values():
        nn.Module.to(network, precision)  # diffusers' override warns of float16 on processors
        freeze(network)
    wanted = {field.name for field in dataclasses.fields(Settings)}
    chosen = {name: value for name, value in options if name in wanted}
    return StableSR(networks, Settings(**chosen))


def _made(options: StableSROptions, context: Context) -> Networks:
    """Makes the networks with random weights, or without values."""
    hollow, tiny = not context.read_weights, options.weights == "tiny"
    weights = "tiny" if tiny else "random"
    backbone: Any = context.make("backbone", BASE, weights=weights, precision=options.precision)
    unet, fusion = backbone.unet(), backbone.vae()
    groups, width = unet.config.norm_num_groups, _TINY_WIDTH if tiny else _WIDTH
    with making(hollow=hollow):
        structure = TimeAwareEncoder(width, unet.config.in_channels, groups)
        add_modulations(unet, width, groups)
        growth = _TINY_GROWTH if tiny else _GROWTH
        add_fusions(fusion, fusion.config.norm_num_groups, growth)
    return Networks(
        unet=unet,
        structure=structure,
        vae=backbone.vae() if options.program == "tiled" else None,
        fusion=fusion,
        text=TextEncoder(text_network(backbone.text_width, hollow=hollow)),
        latent_scaling=backbone.latent_scaling,
    )
