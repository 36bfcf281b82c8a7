"""The first half of a diffusion UNet, as a feature extractor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Trunk(nn.Module):
    """`conv_in`, time embedding, down blocks and mid block of a `UNet2DConditionModel`.

    Layers keep the names they have in the UNet. The rest of the UNet is released.
    """

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.latent_channels = int(unet.config.in_channels)
        self.width = int(unet.config.block_out_channels[-1])
        self.time_proj = unet.time_proj
        self.time_embedding = unet.time_embedding
        if getattr(unet, "add_embedding", None) is not None:  # SDXL's pooled text and sizes
            self.add_time_proj = unet.add_time_proj
            self.add_embedding = unet.add_embedding
        self.conv_in = unet.conv_in
        self.down_blocks = unet.down_blocks
        self.mid_block = unet.mid_block

    def forward(self, x: Tensor, t: Tensor, conditioning: Mapping[str, Any]) -> Tensor:
        """Returns mid-block features of noisy latents.

        Args:
            x: Noisy latents, `[b, c, h, w]`.
            t: Timesteps, `[b]`.
            conditioning: Keyword arguments of the UNet, as a backbone's `condition` gives them.

        Returns:
            `[b, width, h/2^n, w/2^n]`, with n the number of downsampling layers.
        """
        time = self._time(t, conditioning, x.dtype)
        text = conditioning["encoder_hidden_states"]
        x = self.conv_in(x)
        for block in self.down_blocks:
            cross = getattr(block, "has_cross_attention", False)
            x, _ = block(x, time, encoder_hidden_states=text) if cross else block(x, time)
        features: Tensor = self.mid_block(x, time, encoder_hidden_states=text)
        return features

    def _time(self, t: Tensor, conditioning: Mapping[str, Any], dtype: torch.dtype) -> Tensor:
        time: Tensor = self.time_embedding(self.time_proj(t).to(dtype))
        if added := conditioning.get("added_cond_kwargs"):
            sizes = self.add_time_proj(added["time_ids"].flatten()).view(len(t), -1)
            pooled = added["text_embeds"]
            time = time + self.add_embedding(torch.cat([pooled, sizes.to(pooled)], dim=1).to(dtype))
        return time
