"""The time-aware encoder: features of the LR image's latent for the UNet's modulations.

Source: J. Wang et al., Exploiting Diffusion Prior for Real-World Image Super-Resolution, 2023. The
names of parts are those of the published checkpoint.

Shapes: b batch, c channels, h w sides of the latent or of a level's features, e embedding width.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch.nn.functional as F
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor, nn

_MULTIPLIERS = (1, 1, 2, 2)
_BLOCKS = 2
"""Residual blocks of a level."""
_ATTENTIVE_LEVELS = 3
"""All but the coarsest."""
_HEADS = 4
_EPS = 1e-5


class ResidualBlock(nn.Module):
    """Two convolutions, between which the embedding of the timestep is added.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        embedding: Width of the embedding.
        groups: Groups of the normalisations.
    """

    def __init__(self, inputs: int, outputs: int, embedding: int, groups: int = 32) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(groups, inputs, eps=_EPS),
            nn.SiLU(),
            nn.Conv2d(inputs, outputs, 3, padding=1),
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, outputs))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(groups, outputs, eps=_EPS),
            nn.SiLU(),
            nn.Identity(),  # dropout, while training
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        same = inputs == outputs
        self.skip_connection = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1)

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        """Maps `[b, inputs, h, w]` and `[b, e]` to `[b, outputs, h, w]`."""
        inner = self.in_layers(hidden) + self.emb_layers(embedding)[:, :, None, None]
        out: Tensor = self.skip_connection(hidden) + self.out_layers(inner)
        return out


class AttentionBlock(nn.Module):
    """Self-attention over the pixels, added to the input.

    Args:
        channels: Of input and output; a multiple of `heads`.
        heads: Number of heads.
        groups: Groups of the normalisation.
    """

    def __init__(self, channels: int, heads: int = _HEADS, groups: int = 32) -> None:
        super().__init__()
        self._heads = heads
        self.norm = nn.GroupNorm(groups, channels, eps=_EPS)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Maps `[b, channels, h, w]` to the same shape."""
        pixels = hidden.flatten(2)
        # Outputs are ordered by head, then (q, k, v), then the channels of the head.
        mixed = self.qkv(self.norm(pixels)).unflatten(1, (self._heads, 3, -1))
        parts = mixed.transpose(3, 4).contiguous()  # without which attention takes much more memory
        query, key, value = parts.unbind(2)  # [b, heads, pixels, channels of a head]
        seen = F.scaled_dot_product_attention(query, key, value)
        projected: Tensor = self.proj_out(seen.transpose(2, 3).flatten(1, 2))
        return hidden + projected.reshape(hidden.shape)


class Downsampling(nn.Module):
    """Halves both sides by a convolution of `channels`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Maps `[b, channels, h, w]` to `[b, channels, h / 2, w / 2]`."""
        halved: Tensor = self.op(hidden)
        return halved


class TimeAwareEncoder(nn.Module):
    """Half of a UNet, whose features at four resolutions are the result.

    Args:
        width: Channels at the finest level, and of all results; 256 as published.
        latent: Channels of the latent.
        groups: Groups of the normalisations.
    """

    def __init__(self, width: int = 256, latent: int = 4, groups: int = 32) -> None:
        super().__init__()
        self.width = width
        embedding = 4 * width
        self.time_embed = nn.Sequential(
            nn.Linear(width, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        blocks: list[nn.ModuleList] = [nn.ModuleList([nn.Conv2d(latent, width, 3, padding=1)])]
        channels, ends = width, []
        for level, multiplier in enumerate(_MULTIPLIERS):
            for _ in range(_BLOCKS):
                wanted = multiplier * width
                block = nn.ModuleList([ResidualBlock(channels, wanted, embedding, groups)])
                if level < _ATTENTIVE_LEVELS:
                    block.append(AttentionBlock(wanted, groups=groups))
                blocks.append(block)
                channels = wanted
            ends.append(channels)
            if level < len(_MULTIPLIERS) - 1:
                blocks.append(nn.ModuleList([Downsampling(channels)]))
        self.input_blocks = nn.ModuleList(blocks)
        self.middle_block = nn.ModuleList(
            [
                ResidualBlock(channels, channels, embedding, groups),
                AttentionBlock(channels, groups=groups),
                ResidualBlock(channels, channels, embedding, groups),
            ]
        )
        self.fea_tran = nn.ModuleList(ResidualBlock(c, width, embedding, groups) for c in ends)

    def forward(self, latent: Tensor, timesteps: Tensor) -> dict[int, Tensor]:
        """Returns features of the LR image's latent by their width in pixels.

        Args:
            latent: Scaled latent without noise, `[b, 4, h, w]`; sides are multiples of 8.
            timesteps: `[b]`, of 1000.

        Returns:
            `[b, width, h, w]`, and at a half, a quarter and an eighth of the sides.
        """
        waves = get_timestep_embedding(
            timesteps, self.width, flip_sin_to_cos=True, downscale_freq_shift=0
        )
        embedding = self.time_embed(waves.to(latent.dtype))
        hidden, found = latent, []
        for block in self.input_blocks:
            assert isinstance(block, nn.ModuleList)
            if isinstance(block[0], Downsampling):
                found.append(hidden)
            hidden = _through(block, hidden, embedding)
        found.append(_through(self.middle_block, hidden, embedding))
        pairs = zip(self.fea_tran, found, strict=True)
        return {each.shape[3]: translate(each, embedding) for translate, each in pairs}


def _through(layers: Iterable[nn.Module], hidden: Tensor, embedding: Tensor) -> Tensor:
    for layer in layers:
        timed = isinstance(layer, ResidualBlock)
        hidden = layer(hidden, embedding) if timed else layer(hidden)
    return hidden
