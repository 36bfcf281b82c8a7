"""What a UNet is told in place of a prompt: embeddings that are learnt."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_SPREAD = 0.02
"""Standard deviation at the start; open in the paper."""
_SIZES = (1024.0, 1024.0, 0.0, 0.0, 1024.0, 1024.0)
"""SDXL's original size, crop and target size: whole images of the size it was trained for."""


class Condition(nn.Module):
    """Learnable embeddings, drawn from N(0, 0.02).

    Attributes:
        text: `[1, tokens, width]`.
        pooled: `[1, pooled]`, which SDXL adds to the timestep's embedding; absent if `pooled` is 0.
    """

    def __init__(self, tokens: int, width: int, pooled: int = 0) -> None:
        super().__init__()
        self.text = nn.Parameter(torch.randn(1, tokens, width) * _SPREAD)
        if pooled:
            self.pooled = nn.Parameter(torch.randn(1, pooled) * _SPREAD)

    def forward(self, batch: int, dtype: torch.dtype) -> dict[str, Any]:
        """The arguments of `UNet2DConditionModel` that condition it, for a batch."""
        told: dict[str, Any] = {"encoder_hidden_states": self.text.to(dtype).expand(batch, -1, -1)}
        if hasattr(self, "pooled"):
            sizes = self.pooled.new_tensor(_SIZES).expand(batch, -1)
            pooled = self.pooled.to(dtype).expand(batch, -1)
            told["added_cond_kwargs"] = {"text_embeds": pooled, "time_ids": sizes}
        return told
