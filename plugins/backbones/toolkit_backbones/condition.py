"""Learnable embeddings that replace a prompt."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_INITIAL_STD = 0.02
"""Standard deviation at initialisation; open in the paper."""
_SIZES = (1024.0, 1024.0, 0.0, 0.0, 1024.0, 1024.0)
"""SDXL's original size, crop and target size: uncropped images of its training size."""


class Condition(nn.Module):
    """Learnable embeddings, initialised with a standard deviation of 0.02.

    Attributes:
        text: Embeddings for cross-attention, `[1, tokens, width]`.
        pooled: Embedding that SDXL adds to that of the timestep, `[1, pooled]`; absent if `pooled`
            is 0.
    """

    def __init__(self, tokens: int, width: int, pooled: int = 0) -> None:
        super().__init__()
        self.text = nn.Parameter(torch.randn(1, tokens, width) * _INITIAL_STD)
        if pooled:
            self.pooled = nn.Parameter(torch.randn(1, pooled) * _INITIAL_STD)

    def forward(self, batch: int, dtype: torch.dtype) -> dict[str, Any]:
        """Returns the conditioning arguments of `UNet2DConditionModel` for a batch."""
        text = self.text.to(dtype).expand(batch, -1, -1)
        conditioning: dict[str, Any] = {"encoder_hidden_states": text}
        if hasattr(self, "pooled"):
            sizes = self.pooled.new_tensor(_SIZES).expand(batch, -1)
            pooled = self.pooled.to(dtype).expand(batch, -1)
            conditioning["added_cond_kwargs"] = {"text_embeds": pooled, "time_ids": sizes}
        return conditioning
