"""The start of the autoencoder: its own convolutions as a linear map, which trains much faster.

Without normalisation, activation and residual branches the convolutions of diffusers'
`AutoencoderKL` are a linear autoencoder, which in minutes finds a code that the decoder can read.
`embed` then makes the whole network compute the very same, and training goes on from there.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional as F

_LEVEL = 20.0
"""Of the constants that keep a normalisation from seeing the image; the image's are about 1."""
_LOG_VARIANCE = -7.0
"""Of the posterior at the start: so little noise that the decoder sees the image at once."""


class LinearAutoencoder(nn.Module):
    """The convolutions of an autoencoder that change size or width, and two linear readouts.

    The readouts stand for the last two convolutions of encoder and decoder with what lies between
    them; the other convolutions are the autoencoder's own, and stay in it.

    Args:
        vae: Of at least two levels, all of different widths.
    """

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        widths, groups = vae.config.block_out_channels, vae.config.norm_num_groups
        code, self._groups = vae.config.latent_channels, groups
        inner, outer = _signals(widths[-1], groups), _signals(widths[0], groups)
        self.down = nn.ModuleList(_changes(vae.encoder.conv_in, vae.encoder.down_blocks))
        self.up = nn.ModuleList(_changes(vae.decoder.conv_in, vae.decoder.up_blocks))
        self.to_inner = nn.Conv2d(widths[-2], inner, 1)
        self.to_code = nn.Conv2d(inner, code, 3, padding=1)
        self.to_outer = nn.Conv2d(widths[1], outer, 1)
        self.to_image = nn.Conv2d(outer, 3, 3, padding=1)

    def encode(self, images: Tensor) -> Tensor:
        """The code `[b, c, h/f, w/f]` of images `[b, 3, h, w]` in [-1, 1]."""
        hidden = images
        for conv in self.down:
            hidden = conv(F.pad(hidden, (0, 1, 0, 1)) if conv.stride == (2, 2) else hidden)
        code: Tensor = self.to_code(self.to_inner(hidden))
        return code

    def decode(self, code: Tensor) -> Tensor:
        """The images of a code."""
        hidden = code
        for conv in self.up:
            enlarged = conv.kernel_size == (3, 3) and conv is not self.up[0]
            hidden = conv(F.interpolate(hidden, scale_factor=2.0) if enlarged else hidden)
        images: Tensor = self.to_image(self.to_outer(hidden))
        return images

    @torch.no_grad()
    def embed(self, vae: AutoencoderKL) -> None:
        """Makes the autoencoder, whose convolutions these are, compute what this one does."""
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


def _changes(start: Any, blocks: Any) -> list[Any]:
    """The convolutions that change size or width, without the last level's shortcut."""
    found = [start]
    for block in blocks:
        shortcut = block.resnets[0].conv_shortcut
        if shortcut is not None and block is not blocks[-1]:
            found.append(shortcut)
        samplers = getattr(block, "downsamplers", None) or getattr(block, "upsamplers", None) or []
        found += [sampler.conv for sampler in samplers]
    return found


def _signals(width: int, groups: int) -> int:
    """How many signed signals fit in the channels: two each, beside two constants a group."""
    return groups * ((width // groups - 2) // 2)


def _carry(reader: Any, readout: Any, into: Any, out: Any, groups: int) -> None:
    """Carries linear signals through GroupNorm and SiLU.

    Each signal s becomes a pair of channels s and -s, and silu(s) - silu(-s) = s. Two constants a
    group, large and opposite, are most of what the normalisation measures, so that it divides by a
    number that the image hardly changes. All are convolutions:

    Args:
        reader: 1x1, from the channels before to the signals.
        readout: 3x3, from the signals to what is wanted.
        into: 1x1, to the channels that are normalised; overwritten.
        out: 3x3, from the channels after normalisation and activation; overwritten.
        groups: Of the normalisation.
    """
    size, wanted = into.out_channels // groups, readout.out_channels
    pairs = [channel for channel in range(into.out_channels) if channel % size >= 2]
    for tensor in (into.weight, into.bias, out.weight[:wanted]):
        tensor.zero_()
    into.bias[0::size] = _LEVEL
    into.bias[1::size] = -_LEVEL
    divided_by = _LEVEL * math.sqrt(2 / size)
    out.bias[:wanted] = readout.bias
    for signal in range(reader.out_channels):
        plus, minus = pairs[2 * signal], pairs[2 * signal + 1]
        for channel, sign in ((plus, 1.0), (minus, -1.0)):
            into.weight[channel] = sign * reader.weight[signal]
            into.bias[channel] = sign * reader.bias[signal]
            out.weight[:wanted, channel] = sign * divided_by * readout.weight[:, signal]
