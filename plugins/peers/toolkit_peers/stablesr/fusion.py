"""The autoencoder whose decoder sees the encoder's features of the LR image.

diffusers' `AutoencoderKL`, with a `Fusion` after the residual blocks of two levels of the decoder.

Source: J. Wang et al., Exploiting Diffusion Prior for Real-World Image Super-Resolution, 2023
(controllable feature wrapping).

Shapes: c channels of a level, h w sides of its features, H W sides of the image.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from diffusers.models.resnet import ResnetBlock2D
from spandrel.architectures.ESRGAN import ESRGAN
from torch import Tensor, nn

LEVELS = (1, 2)
"""Levels that are fused, counted from the image."""
Encoded = Mapping[int, Tensor]
"""The encoder's features of the LR image, `[1, c, h, w]`, by level."""
_EPS = 1e-6
_DENSE_BLOCKS = 2
_DENSE = re.compile(r"RDB(\d)\.conv(\d)\.0")


class Fusion(nn.Module):
    """What the encoder's features add to the decoder's.

    Args:
        channels: Of either.
        groups: Groups of the normalisations.
        growth: Channels that a convolution in a dense block adds.
    """

    def __init__(self, channels: int, groups: int = 32, growth: int = 32) -> None:
        super().__init__()
        self.encode_enc_1 = _residual_block(2 * channels, channels, groups)
        self.encode_enc_2 = nn.Sequential(*(_rrdb(channels, growth) for _ in range(_DENSE_BLOCKS)))
        self.encode_enc_3 = _residual_block(channels, channels, groups)

    def forward(self, encoded: Tensor, decoded: Tensor) -> Tensor:
        """Maps twice `[1, c, h, w]` to `[1, c, h, w]`."""
        both = self.encode_enc_1(torch.cat([encoded, decoded], dim=1), None)
        added: Tensor = self.encode_enc_3(self.encode_enc_2(both), None)
        return added


def _residual_block(inputs: int, outputs: int, groups: int) -> ResnetBlock2D:
    return ResnetBlock2D(
        in_channels=inputs, out_channels=outputs, temb_channels=None, groups=groups, eps=_EPS
    )


def _rrdb(channels: int, growth: int) -> nn.Module:
    """ESRGAN's block, of spandrel."""
    with torch.device("meta"):
        made: nn.Module = ESRGAN(num_filters=1, num_blocks=1)
    block: nn.Module = type(made.get_submodule("model.1.sub.0"))(channels, gc=growth)
    return block


def add_fusions(vae: Any, groups: int = 32, growth: int = 32) -> None:
    """Gives the decoder of an autoencoder its fusions, `fusion_layer_1` and `fusion_layer_2`.

    Args:
        vae: diffusers' `AutoencoderKL`.
        groups: Groups of the normalisations.
        growth: Channels that a convolution in a dense block adds.
    """
    for level in LEVELS:
        channels = _of_encoder(vae, level).out_channels
        setattr(vae.decoder, f"fusion_layer_{level}", Fusion(channels, groups, growth))


def original_name(name: str) -> str:
    """The name in the published checkpoint of a tensor in a `Fusion`."""
    return _DENSE.sub(r"rdb\1.conv\2", name).replace("conv_shortcut", "conv_out")


def encode(vae: Any, image: Tensor) -> tuple[Tensor, Encoded]:
    """Encodes an image.

    Args:
        vae: diffusers' `AutoencoderKL`.
        image: `[1, 3, H, W]` in [-1, 1]; the sides are multiples of 8.

    Returns:
        Mean and log-variance of the unscaled latent, `[1, 8, H / 8, W / 8]`; features for `decode`.
    """
    found: dict[int, Tensor] = {}

    def keep(level: int) -> Any:
        return lambda _block, _inputs, output: found.update({level: output})

    with contextlib.ExitStack() as hooks:
        for level in LEVELS:
            hook = _of_encoder(vae, level).register_forward_hook(keep(level))
            hooks.callback(hook.remove)
        moments: Tensor = vae.quant_conv(vae.encoder(image))
    return moments, found


def decode(vae: Any, latent: Tensor, encoded: Encoded, weight: float = 0.5) -> Tensor:
    """Decodes a latent.

    Args:
        vae: diffusers' `AutoencoderKL`, after `add_fusions`.
        latent: Unscaled latent, `[1, 4, h, w]`.
        encoded: Features of the LR image.
        weight: Of what they add; 0 for a plain decoder.

    Returns:
        `[1, 3, 8h, 8w]`, about [-1, 1].
    """
    with fused(vae, encoded, weight) if weight else contextlib.nullcontext():
        image: Tensor = vae.decoder(vae.post_quant_conv(latent))
    return image


@contextlib.contextmanager
def fused(vae: Any, encoded: Encoded, weight: float) -> Iterator[None]:
    """Adds to the decoder's features within a block of code."""

    def follow_with(fusion: Fusion, features: Tensor) -> Any:
        return lambda _block, _inputs, output: output + weight * fusion(features, output)

    with contextlib.ExitStack() as hooks:
        for level in LEVELS:
            fusion = getattr(vae.decoder, f"fusion_layer_{level}")
            blocks = vae.decoder.up_blocks
            last = blocks[len(blocks) - 1 - level].resnets[-1]  # before the upsampling
            hook = last.register_forward_hook(follow_with(fusion, encoded[level]))
            hooks.callback(hook.remove)
        yield


def _of_encoder(vae: Any, level: int) -> Any:
    """The encoder's last residual block of a level, before the downsampling."""
    return vae.encoder.down_blocks[level].resnets[-1]
