"""Makes the networks of ResShift and SinSR, and reads their files."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from toolkit.plugin import Checkpoint, fill
from toolkit_peers.making import making
from toolkit_peers.resshift.autoencoder import (
    Autoencoder,
    autoencoder_network,
    read_autoencoder,
)
from toolkit_peers.resshift.network import FULL, TINY, UNet
from toolkit_peers.resshift.restorer import Networks

_COMPILED = "_orig_mod."
_BUFFERS = (".relative_position_index", ".attn_mask")
"""Ends of the names of tensors that follow from the sizes."""
_TINY_AUTOENCODER = (32, 64)


def networks(
    weights: str,
    unet_file: Path | None,
    autoencoder_file: Path | None,
    precision: str,
    *,
    hollow: bool = False,
) -> Networks:
    """Makes the networks from their files, with random weights, or without values.

    Args:
        weights: `tiny` for narrow networks.
        unet_file: The U-Net's file; None for random weights.
        autoencoder_file: The autoencoder's file; None for random weights.
        precision: Data type, such as `float32`.
        hollow: Whether the networks have no values.

    Raises:
        WeightsError: A file is damaged or of another model.
    """
    tiny = weights == "tiny"
    with making(hollow=hollow or unet_file is not None):
        unet = UNet(TINY if tiny else FULL)
        network = autoencoder_network(*(_TINY_AUTOENCODER if tiny else ()))
    if unet_file and autoencoder_file:
        read_unet(unet, opened(unet_file))
        read_autoencoder(network, opened(autoencoder_file))
    dtype: torch.dtype = getattr(torch, precision)
    frozen = unet.in_precision(dtype).eval().requires_grad_(requires_grad=False)
    return Networks(frozen, Autoencoder(nn.Module.to(network, dtype)))


def opened(path: Path) -> Checkpoint:
    """Opens a file; it may be wrapped in a dictionary, and names may have training's prefixes."""
    return unprefixed(Checkpoint.read(path).unwrapped())


def unprefixed(checkpoint: Checkpoint) -> Checkpoint:
    """Without the prefixes of distributed and compiled networks, in any order."""

    def rename(name: str) -> str:
        return name.removeprefix(_COMPILED).removeprefix("module.").removeprefix(_COMPILED)

    return checkpoint.renamed(rename)


def read_unet(unet: UNet, checkpoint: Checkpoint) -> None:
    """Gives the U-Net the weights of a published file.

    Raises:
        WeightsError: A tensor is missing, unexpected or of another shape.
    """
    kept = checkpoint.renamed(lambda name: None if name.endswith(_BUFFERS) else name)
    unet.load_state_dict(fill(unet.state_dict(), kept), assign=True)
