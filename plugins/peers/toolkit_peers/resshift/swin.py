"""The Swin layers of ResShift's U-Net.

Names of modules are those of the published files. Source: Z. Yue et al., ResShift: Efficient
Diffusion Model for Image Super-resolution by Residual Shifting, 2023; Z. Liu et al., Swin
Transformer, 2021.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional

_GROUPS = 32
_HIDDEN = -100.0
"""Added to the scores of pairs that do not see each other."""


class GroupNorm(nn.GroupNorm):
    """Computes in float32, whatever the data type of its input, which it returns."""

    def __init__(self, channels: int) -> None:
        super().__init__(_GROUPS, channels, eps=1e-5)

    def forward(self, features: Tensor) -> Tensor:
        """Normalises `[b, c, h, w]`."""
        return super().forward(features.float()).to(features.dtype)


class SwinLayer(nn.Module):
    """Two blocks in a width of their own; their output replaces the features.

    Args:
        channels: Of the features.
        width: Channels inside, a multiple of `head_channels`.
        resolution: Nominal side of the features. If it does not exceed the window, the window
            shrinks to it and is never shifted, whatever the actual size.
        window: Side of the windows.
        head_channels: Channels of an attention's head.
    """

    def __init__(
        self, channels: int, width: int, resolution: int, window: int, head_channels: int = 32
    ) -> None:
        super().__init__()
        shift = window // 2 if resolution > window else 0
        window = min(window, resolution)
        self.patch_embed = _Projection(channels, width)
        self.blocks = nn.ModuleList(
            SwinBlock(width, window, each, width // head_channels) for each in (0, shift)
        )
        self.patch_unembed = _Projection(width, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Maps `[b, c, h, w]`, with sides in multiples of the window, to the same shape."""
        features = self.patch_embed(features)
        for block in self.blocks:
            features = block(features)
        unembedded: Tensor = self.patch_unembed(features)
        return unembedded


class _Projection(nn.Module):
    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, out_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        projected: Tensor = self.proj(features)
        return projected


class SwinBlock(nn.Module):
    """Attention within windows, and a network on each pixel, both residual.

    Args:
        width: Channels.
        window: Side of the windows.
        shift: How far the windows are shifted, up and to the left.
        heads: Of the attention.
    """

    def __init__(self, width: int, window: int, shift: int, heads: int) -> None:
        super().__init__()
        self._window, self._shift = window, shift
        self.norm1 = GroupNorm(width)
        self.attn = WindowAttention(width, window, heads)
        self.norm2 = GroupNorm(width)
        self.mlp = _PixelNetwork(width, 4 * width)

    def forward(self, features: Tensor) -> Tensor:
        """Maps `[b, c, h, w]` to the same shape."""
        features = features + self._attend(self.norm1(features))
        changed: Tensor = features + self.mlp(self.norm2(features))
        return changed

    def _attend(self, features: Tensor) -> Tensor:
        if not self._shift:
            return joined(self.attn(windows(features, self._window)), self._window)
        rolled = torch.roll(features, (-self._shift, -self._shift), dims=(2, 3))
        tokens = windows(rolled, self._window)
        upper, lowest = tokens[:, :-1], tokens[:, -1:]
        mask = column_mask(self._window, self._shift).to(features.device)
        seen = [self.attn(upper)] if upper.shape[1] else []
        together = torch.cat([*seen, self.attn(lowest, mask)], dim=1)
        return torch.roll(joined(together, self._window), (self._shift, self._shift), dims=(2, 3))


class _PixelNetwork(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = self.fc2(functional.gelu(self.fc1(features)))
        return changed


class WindowAttention(nn.Module):
    """Attention among the pixels of a window, with a learned bias by relative position.

    Args:
        width: Channels.
        window: Side of the windows.
        heads: A divisor of the width.
    """

    def __init__(self, width: int, window: int, heads: int) -> None:
        super().__init__()
        self._window, self._heads = window, heads
        table = torch.empty((2 * window - 1) ** 2, heads)
        self.relative_position_bias_table = nn.Parameter(nn.init.trunc_normal_(table, std=0.02))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Maps the tokens of windows to the same shape.

        Args:
            tokens: `[..., n, c]`; the n pixels of a window, row by row.
            mask: Added to the scores, `[n, n]`, or one for each window, `[..., n, n]`.
        """
        *outer, count, width = tokens.shape
        bias = self._bias()
        if mask is not None:
            bias = bias + mask.unsqueeze(-3)
        if bias.dim() > 3:  # of each window
            bias = bias.expand(*outer, -1, -1, -1).reshape(-1, self._heads, count, count)
        parts = self.qkv(tokens).reshape(-1, count, 3, self._heads, width // self._heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=bias.to(query.dtype)
        )
        gathered: Tensor = self.proj(seen.transpose(1, 2).reshape(tokens.shape))
        return gathered

    def _bias(self) -> Tensor:
        """The learned bias of each pair of pixels, `[heads, n, n]`."""
        table = self.relative_position_bias_table
        index, side = relative_positions(self._window).to(table.device), self._window**2
        bias = table.index_select(0, index.flatten())
        return bias.reshape(side, side, self._heads).permute(2, 0, 1)


@functools.cache
def relative_positions(window: int) -> Tensor:
    """The row of the table of biases for each pair of a window's pixels, `[n, n]`, int64."""
    steps = torch.arange(window, device="cpu")
    rows, columns = (each.flatten() for each in torch.meshgrid(steps, steps, indexing="ij"))
    down, right = (each[:, None] - each[None, :] + window - 1 for each in (rows, columns))
    return down * (2 * window - 1) + right


@functools.cache
def column_mask(window: int, shift: int) -> Tensor:
    """The mask of the windows in the lowest row, `[n, n]`, float32; others have none.

    Not Swin's own: pixels on the two sides of a column do not see each other, instead of those
    that the shift brought together from the image's opposite edges. The weights were trained so.
    """
    beyond = (torch.arange(window, device="cpu") >= window - shift).repeat(window)
    return _HIDDEN * (beyond[:, None] != beyond[None, :]).float()


def windows(features: Tensor, window: int) -> Tensor:
    """Cuts `[b, c, h, w]` into windows, `[b, rows, columns, window * window, c]`."""
    batch, channels, height, width = features.shape
    rows, columns = height // window, width // window
    cut = features.reshape(batch, channels, rows, window, columns, window)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(batch, rows, columns, window * window, channels)


def joined(tokens: Tensor, window: int) -> Tensor:
    """The inverse of `windows`."""
    batch, rows, columns, _, channels = tokens.shape
    cut = tokens.reshape(batch, rows, columns, window, window, channels)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(batch, channels, rows * window, columns * window)
