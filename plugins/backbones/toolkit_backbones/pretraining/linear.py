"""A linear autoencoder to initialise `AutoencoderKL`, which trains much faster.

Without normalisation, activation and residual branches, the convolutions of diffusers'
`AutoencoderKL` form a linear autoencoder, which learns a usable code within minutes. `embed` then
makes the whole network compute the same function, as a starting point for its training.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional as F

_LEVEL = 20.0
"""Magnitude of the constants that dominate the normalisation; signals have about 1."""
_LOG_VARIANCE = -7.0
"""Initial log variance of the posterior: little noise, to keep the code readable."""


class LinearAutoencoder(nn.Module):
    """Convolutions of an autoencoder that change size or width, with two linear readouts.

    The readouts replace the last two convolutions of encoder and decoder, and the layers between
    them. The other convolutions are shared with the autoencoder.

    Args:
        vae: The autoencoder, with at least two levels, all of different widths.
    """

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        widths, groups = vae.config.block_out_channels, vae.config.norm_num_groups
        code, self._groups = vae.config.latent_channels, groups
        inner, outer = _signals(widths[-1], groups), _signals(widths[0], groups)
        self.down = nn.ModuleList(_resampling(vae.encoder.conv_in, vae.encoder.down_blocks))
        self.up = nn.ModuleList(_resampling(vae.decoder.conv_in, vae.decoder.up_blocks))
        self.to_inner = nn.Conv2d(widths[-2], inner, 1)
        self.to_code = nn.Conv2d(inner, code, 3, padding=1)
        self.to_outer = nn.Conv2d(widths[1], outer, 1)
        self.to_image = nn.Conv2d(outer, 3, 3, padding=1)

    def encode(self, images: Tensor) -> Tensor:
        """Encodes images `[b, 3, h, w]`, in [-1, 1], to `[b, c, h/f, w/f]`."""
        hidden = images
        for conv in self.down:
            hidden = conv(F.pad(hidden, (0, 1, 0, 1)) if conv.stride == (2, 2) else hidden)
        code: Tensor = self.to_code(self.to_inner(hidden))
        return code

    def decode(self, code: Tensor) -> Tensor:
        """Decodes a code to images."""
        hidden = code
        for conv in self.up:
            upsamples = conv.kernel_size == (3, 3) and conv is not self.up[0]
            hidden = conv(F.interpolate(hidden, scale_factor=2.0) if upsamples else hidden)
        images: Tensor = self.to_image(self.to_outer(hidden))
        return images

    @torch.no_grad()
    def embed(self, vae: AutoencoderKL) -> None:
        """Sets the autoencoder's other weights, so that it computes the same function."""
        encoder, decoder = vae.encoder, vae.decoder
        blocks = *encoder.down_blocks, encoder.mid_block, *decoder.up_blocks, decoder.mid_block
        for resnet in (resnet for block in blocks for resnet in block.resnets):
            nn.init.zeros_(resnet.conv2.weight)
            nn.init.zeros_(resnet.conv2.bias)
        first = encoder.down_blocks[-1].resnets[0].conv_shortcut
        _carry(self.to_inner, self.to_code, first, encoder.conv_out, self._groups)
        last = decoder.up_blocks[-1].resnets[0].conv_shortcut
        _carry(self.to_outer, self.to_image, last, decoder.conv_out, self._groups)
        encoder.conv_out.weight[self.to_code.out_channels :] = 0.0
        encoder.conv_out.bias[self.to_code.out_channels :] = _LOG_VARIANCE


def _resampling(start: Any, blocks: Any) -> list[Any]:
    """Returns the convolutions that change size or width, except the last level's shortcut."""
    convolutions = [start]
    for block in blocks:
        shortcut = block.resnets[0].conv_shortcut
        if shortcut is not None and block is not blocks[-1]:
            convolutions.append(shortcut)
        samplers = getattr(block, "downsamplers", None) or getattr(block, "upsamplers", None) or []
        convolutions += [sampler.conv for sampler in samplers]
    return convolutions


def _signals(width: int, groups: int) -> int:
    """Returns how many signals fit: two channels each, besides two constants per group."""
    return groups * ((width // groups - 2) // 2)


def _carry(reader: Any, readout: Any, into: Any, out: Any, groups: int) -> None:
    """Passes linear signals through GroupNorm and SiLU.

    Each signal s uses a pair of channels s and -s, as silu(s) - silu(-s) = s. Two large opposite
    constants per group dominate its variance, so the normalisation divides by a nearly constant
    number. All layers are convolutions.

    Args:
        reader: 1x1, from the previous channels to the signals.
        readout: 3x3, from the signals to the outputs.
        into: 1x1 before normalisation; overwritten.
        out: 3x3 after normalisation and activation; overwritten.
        groups: Number of groups of the normalisation.
    """
    size, outputs = into.out_channels // groups, readout.out_channels
    pairs = [channel for channel in range(into.out_channels) if channel % size >= 2]
    for tensor in (into.weight, into.bias, out.weight[:outputs]):
        tensor.zero_()
    into.bias[0::size] = _LEVEL
    into.bias[1::size] = -_LEVEL
    divisor = _LEVEL * math.sqrt(2 / size)
    out.bias[:outputs] = readout.bias
    for signal in range(reader.out_channels):
        plus, minus = pairs[2 * signal], pairs[2 * signal + 1]
        for channel, sign in ((plus, 1.0), (minus, -1.0)):
            into.weight[channel] = sign * reader.weight[signal]
            into.bias[channel] = sign * reader.bias[signal]
            out.weight[:outputs, channel] = sign * divisor * readout.weight[:, signal]
