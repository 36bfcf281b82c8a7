"""The first half of a diffusion UNet, as a feature extractor."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Trunk(nn.Module):
    """`conv_in`, time embedding, down blocks and mid block of a `UNet2DConditionModel`.

    The names of its layers are the UNet's own. The rest of the UNet is let go.
    """

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.latent_channels = int(unet.config.in_channels)
        self.width = int(unet.config.block_out_channels[-1])
        self.time_proj = unet.time_proj
        self.time_embedding = unet.time_embedding
        self.conv_in = unet.conv_in
        self.down_blocks = unet.down_blocks
        self.mid_block = unet.mid_block

    def forward(self, x: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """Mid-block features of noisy latents.

        Args:
            x: `[b, c, h, w]`.
            t: Timesteps, `[b]`.
            text: `[b, 77, d]`.

        Returns:
            `[b, width, h/2^n, w/2^n]`, n the number of halvings between the down blocks.
        """
        time = self.time_embedding(self.time_proj(t).to(x.dtype))
        x = self.conv_in(x)
        for block in self.down_blocks:
            cross = getattr(block, "has_cross_attention", False)
            x, _ = block(x, time, encoder_hidden_states=text) if cross else block(x, time)
        features: Tensor = self.mid_block(x, time, encoder_hidden_states=text)
        return features
