"""Learnt embeddings that take the place of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn


class OneStepCondition(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Embeddings for the UNet.

    Args:
        tokens: Number of embeddings for cross-attention.
        width: Their width.
        pooled_width: Width of the embedding that SDXL adds to that of the timestep; 0 for none.
        sizes: SDXL's original size, crop and target size.
    """

    config_name = "config.json"

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        tokens: int,
        width: int,
        pooled_width: int = 0,
        sizes: Sequence[float] = (),  # noqa: ARG002 - read from the configuration
    ) -> None:
        super().__init__()
        self.text = nn.Parameter(torch.zeros(1, tokens, width))
        if pooled_width:
            self.pooled = nn.Parameter(torch.zeros(1, pooled_width))

    def forward(self, batch: int, dtype: torch.dtype) -> dict[str, Any]:
        """Returns the conditioning arguments of `UNet2DConditionModel` for a batch."""
        text = self.text.to(dtype).expand(batch, -1, -1)
        conditioning: dict[str, Any] = {"encoder_hidden_states": text}
        if self.config.pooled_width:
            sizes = self.pooled.new_tensor(self.config.sizes).expand(batch, -1)
            pooled = self.pooled.to(dtype).expand(batch, -1)
            conditioning["added_cond_kwargs"] = {"text_embeds": pooled, "time_ids": sizes}
        return conditioning
