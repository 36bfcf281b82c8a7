"""ResShift's networks: a U-Net with Swin layers, and an autoencoder with a codebook.

Source: Z. Yue et al., ResShift: Efficient Diffusion Model for Image Super-resolution by Residual
Shifting, 2023.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from toolkit_peers.resshift.swin import GroupNorm, SwinLayer

LATENT_CHANNELS = 3


@dataclass(frozen=True)
class UNetSizes:
    """Sizes of a U-Net; the defaults are the published ones.

    Attributes:
        width: Channels of the first level.
        multipliers: Channels of each level, in multiples of `width`.
        blocks: Residual blocks of a level in the encoder; the decoder has one more.
        resolution: Nominal side of the latent, which decides where windows are shifted.
        swin_width: Channels in Swin layers.
        window: Side of their windows.
    """

    width: int = 160
    multipliers: tuple[int, ...] = (1, 2, 2, 4)
    blocks: int = 2
    resolution: int = 64
    swin_width: int = 192
    window: int = 8

    @property
    def multiple(self) -> int:
        """What the sides of latents must be multiples of."""
        return self.window << (len(self.multipliers) - 1)


FULL = UNetSizes()
TINY = UNetSizes(width=32, multipliers=(1, 2, 2), resolution=16, swin_width=64, window=4)
"""For tests."""


class UNet(nn.Module):
    """Estimates the latent of the HR image.

    Names of modules are those of the published files.

    Args:
        sizes: Its sizes.
    """

    def __init__(self, sizes: UNetSizes = FULL) -> None:
        super().__init__()
        self.sizes = sizes
        width, embedded = sizes.width, 4 * sizes.width
        self.time_embed = nn.Sequential(
            nn.Linear(width, embedded), nn.SiLU(), nn.Linear(embedded, embedded)
        )
        first = nn.Conv2d(2 * LATENT_CHANNELS, width, 3, padding=1)
        self.input_blocks = nn.ModuleList([_Sequence([first])])
        channels, skips = width, [width]
        levels = list(enumerate(sizes.multipliers))
        for level, multiplier in levels:
            for number in range(sizes.blocks):
                block = ResidualBlock(channels, multiplier * width, embedded)
                channels = multiplier * width
                swin = [self._swin(channels, level)] if number == 0 else []
                self.input_blocks.append(_Sequence([block, *swin]))
                skips.append(channels)
            if level < len(levels) - 1:
                self.input_blocks.append(_Sequence([Down(channels)]))
                skips.append(channels)
        self.middle_block = _Sequence(
            [
                ResidualBlock(channels, channels, embedded),
                self._swin(channels, len(levels) - 1),
                ResidualBlock(channels, channels, embedded),
            ]
        )
        self.output_blocks = nn.ModuleList()
        for level, multiplier in reversed(levels):
            for number in range(sizes.blocks + 1):
                block = ResidualBlock(channels + skips.pop(), multiplier * width, embedded)
                channels = multiplier * width
                swin = [self._swin(channels, level)] if number == 0 else []
                up = [Up(channels)] if level and number == sizes.blocks else []
                self.output_blocks.append(_Sequence([block, *swin, *up]))
        self.out = nn.Sequential(
            GroupNorm(channels), nn.SiLU(), nn.Conv2d(channels, LATENT_CHANNELS, 3, padding=1)
        )

    def _swin(self, channels: int, level: int) -> SwinLayer:
        sizes = self.sizes
        return SwinLayer(channels, sizes.swin_width, sizes.resolution // 2**level, sizes.window)

    def forward(self, noisy: Tensor, timesteps: Tensor, lr: Tensor) -> Tensor:
        """Returns the estimate, `[b, 3, h, w]`, float32.

        Args:
            noisy: Scaled latents, `[b, 3, h, w]`, with sides in multiples of `sizes.multiple`.
            timesteps: `[b]`, from 0 to 14.
            lr: LR images in [-1, 1], `[b, 3, h, w]`: a latent pixel is a pixel of theirs.
        """
        precision = next(self.time_embed.parameters()).dtype
        embedding = self.time_embed(sinusoids(timesteps, self.sizes.width).to(precision))
        features = torch.cat([noisy, lr], dim=1).to(precision)
        skips = []
        for entry in self.input_blocks:
            features = entry(features, embedding)
            skips.append(features)
        features = self.middle_block(features, embedding)
        for entry in self.output_blocks:
            features = entry(torch.cat([features, skips.pop()], dim=1), embedding)
        estimate: Tensor = self.out(features)
        return estimate.float()

    def in_precision(self, precision: torch.dtype) -> UNet:
        """Converts convolutions and linear layers; norms and tables of biases stay float32."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.to(precision)
        return self


class _Sequence(nn.ModuleList):
    """Modules one after another, of which residual blocks see the embedding of the timestep."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        super().__init__(modules)

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        for each in self:
            inputs = (embedding,) if isinstance(each, ResidualBlock) else ()
            features = each(features, *inputs)
        return features


class ResidualBlock(nn.Module):
    """Two convolutions, between which the timestep scales and shifts the features.

    Args:
        channels: Channels of the input.
        out_channels: Channels of the output.
        embedded: Width of the timestep's embedding.
    """

    def __init__(self, channels: int, out_channels: int, embedded: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            GroupNorm(channels), nn.SiLU(), nn.Conv2d(channels, out_channels, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedded, 2 * out_channels))
        self.out_layers = nn.Sequential(
            GroupNorm(out_channels),
            nn.SiLU(),
            nn.Identity(),  # dropout in training
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )
        self.skip_connection = (
            nn.Conv2d(channels, out_channels, 1) if channels != out_channels else nn.Identity()
        )

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        """Maps `[b, channels, h, w]` to `[b, out_channels, h, w]`, given `[b, embedded]`."""
        changed = self.in_layers(features)
        scale, shift = self.emb_layers(embedding)[:, :, None, None].chunk(2, dim=1)
        norm, *rest = self.out_layers
        changed = norm(changed) * (1 + scale) + shift
        for layer in rest:
            changed = layer(changed)
        summed: Tensor = self.skip_connection(features) + changed
        return summed


class Down(nn.Module):
    """Halves the sides."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Maps `[b, c, h, w]` to `[b, c, h / 2, w / 2]`."""
        small: Tensor = self.op(features)
        return small


class Up(nn.Module):
    """Doubles the sides."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Maps `[b, c, h, w]` to `[b, c, 2h, 2w]`."""
        large: Tensor = self.conv(functional.interpolate(features, scale_factor=2.0))
        return large


def sinusoids(timesteps: Tensor, width: int) -> Tensor:
    """Embeds timesteps, `[b]`, as cosines and then sines, `[b, width]`, float32."""
    half = width // 2
    exponents = torch.arange(half, device=timesteps.device, dtype=torch.float32) / half
    angles = timesteps[:, None].float() * torch.exp(-math.log(10_000) * exponents)
    return torch.cat([angles.cos(), angles.sin()], dim=1)
