"""ResShift's autoencoder: latents of a quarter of the side, decoded from the nearest codes.

The implementation is diffusers'. Source: P. Esser et al., Taming Transformers for High-Resolution
Image Synthesis, 2021; R. Rombach et al., High-Resolution Image Synthesis with Latent Diffusion
Models, 2022.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import VQModel
from torch import Tensor, nn

from toolkit.plugin import Checkpoint, fill, ldm_name
from toolkit_peers.resshift.network import LATENT_CHANNELS

FACTOR = 4
"""Pixels per latent pixel, on a side."""
_AT_ONCE = 2048
"""Latent pixels whose distances to all codes are in memory."""


class Autoencoder:
    """Encodes images, and decodes latents.

    Args:
        network: See `autoencoder_network`; is frozen.
    """

    def __init__(self, network: Any) -> None:
        self.network = network.eval().requires_grad_(requires_grad=False)

    def encode(self, image: Tensor) -> Tensor:
        """The latent, `[b, 3, h, w]`, float32, of `[b, 3, 4h, 4w]` in [-1, 1]; not quantised."""
        latent: Tensor = self.network.encode(image.to(self.network.dtype), return_dict=False)[0]
        return latent.float()

    def decode(self, latent: Tensor) -> Tensor:
        """The image, `[b, 3, 4h, 4w]`, about [-1, 1], float32, of a latent's nearest codes."""
        return self.decode_exactly(self.quantised(latent))

    def decode_exactly(self, latent: Tensor) -> Tensor:
        """The image of a latent that is not quantised first."""
        latent = latent.to(self.network.dtype)
        image: Tensor = self.network.decode(latent, force_not_quantize=True, return_dict=False)[0]
        return image.float()

    def quantised(self, latent: Tensor) -> Tensor:
        """The nearest code of each latent pixel, `[b, 3, h, w]`."""
        codes = self._codebook[self.nearest(latent)].permute(0, 3, 1, 2)
        return latent + (codes - latent)  # with the rounding of training

    def nearest(self, latent: Tensor) -> Tensor:
        """The number of the code nearest to each latent pixel, `[b, h, w]`, int64."""
        codes, pixels = self._codebook, latent.permute(0, 2, 3, 1)
        lengths = codes.square().sum(1)
        # The whole table would take gigabytes.
        found = [
            torch.addmm(lengths, part, codes.T, alpha=-2).argmin(1)
            for part in torch.split(pixels.flatten(0, 2), _AT_ONCE)
        ]
        return torch.cat(found).reshape(pixels.shape[:3])

    @property
    def _codebook(self) -> Tensor:
        codes: Tensor = self.network.quantize.embedding.weight
        return codes.float()


def autoencoder_network(width: int = 128, codes: int = 8192) -> VQModel:
    """Makes the network; the defaults are the published sizes.

    Args:
        width: Channels of the first level.
        codes: Number of codes.
    """
    network = VQModel(
        block_out_channels=(width, 2 * width, 4 * width),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=2,
        latent_channels=LATENT_CHANNELS,
        num_vq_embeddings=codes,
    )
    # diffusers' first values are so close to each other that all latents would look the same.
    nn.init.normal_(network.quantize.embedding.weight)
    return network


def read_autoencoder(network: Any, checkpoint: Checkpoint) -> None:
    """Gives the network the weights of `autoencoder_vq_f4.pth`.

    Raises:
        WeightsError: A tensor is missing, unexpected or of another shape.
    """
    values = fill(
        network.state_dict(), checkpoint, lambda name: [ldm_name("vq", name, network.config)]
    )
    network.load_state_dict(values, assign=True)
