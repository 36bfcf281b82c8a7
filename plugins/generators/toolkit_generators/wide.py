"""Wide convolutions of a network that is done with training, with a quarter of the products."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from toolkit import winograd

_NARROW = 512
"""A network whose widest convolution has fewer channels, in and out, is left as it is."""


_NOTHING = 1e-12
"""Keeps the deviation of a flat band from being divided by."""


def widen(network: nn.Module) -> None:
    """Puts `WideConvolution`s in place of 3x3 convolutions, where there is something to gain.

    Their layout, channels last, is the whole network's from then on.
    """
    found = [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Conv2d) and _is_plain(child)
    ]
    widths = [each.in_channels + each.out_channels for _, _, each in found]
    if max(widths, default=0) < _NARROW:
        return
    network.to(memory_format=torch.channels_last)
    for parent, name, child in found:
        setattr(parent, name, WideConvolution(child))
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.GroupNorm):
                setattr(parent, name, WideGroupNorm(layer))
            elif isinstance(layer, nn.SiLU):
                layer.inplace = True  # of what a norm has just made


class WideConvolution(nn.Module):
    """A 3x3 convolution, by Winograd's algorithm on a processor in float32.

    Args:
        plain: With stride and padding of 1.
    """

    def __init__(self, plain: nn.Conv2d) -> None:
        super().__init__()
        self.plain = plain
        self._matrices: Tensor | None = None

    @property
    def weight(self) -> Tensor:
        """The convolution's own."""
        return self.plain.weight

    def forward(self, x: Tensor) -> Tensor:
        """`[b, in, h, w]` to `[b, out, h, w]`, without gradients."""
        weight = self.plain.weight
        outputs, inputs = weight.shape[:2]
        if (
            weight.device.type == "cpu"
            and x.dtype == weight.dtype == torch.float32
            and winograd.pays(inputs, outputs, x.shape[0], *x.shape[2:])
        ):
            if self._matrices is None:
                self._matrices = winograd.transform(weight)
            return winograd.convolve(x, self._matrices, self.plain.bias)
        convolved: Tensor = self.plain(x.contiguous(memory_format=torch.channels_last))
        return convolved


class WideGroupNorm(nn.Module):
    """GroupNorm of large maps with channels last, as exact as PyTorch's with channels first.

    PyTorch's own sums a whole map's squares at once, and is off by 1e-4 at 512 px. Here they are
    summed in bands of some thousand places, and the bands put together in float64.
    """

    _PLACES = 4096

    def __init__(self, plain: nn.GroupNorm) -> None:
        super().__init__()
        self.plain = plain

    def forward(self, x: Tensor) -> Tensor:
        """`[b, c, ...]` to the same shape."""
        plain = self.plain
        last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
        if not last or x.device.type != "cpu" or x.dtype != torch.float32:
            normed: Tensor = plain(x)
            return normed
        mean, variance = self._moments(x)
        each = x.shape[1] // plain.num_groups
        scale = (variance + plain.eps).rsqrt().repeat_interleave(each, 1) * plain.weight
        shift = plain.bias - mean.repeat_interleave(each, 1) * scale
        scale, shift = (factor.to(x)[:, :, None, None] for factor in (scale, shift))
        return torch.addcmul(shift, x, scale)

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each group, `[b, groups]`, float64."""
        batch, channels, _, width = x.shape
        parts, shares = [], []
        for band in torch.split(x, max(1, self._PLACES // width), dim=2):
            places = band.shape[2] * width
            _, mean, inverse = torch.native_group_norm(
                band, None, None, batch, channels, places, self.plain.num_groups, _NOTHING
            )
            parts.append(torch.stack([mean, inverse]).double())
            shares.append(places)
        means, inverses = torch.stack(parts, dim=-1)
        share = torch.tensor(shares, dtype=torch.float64) / sum(shares)
        mean = (means * share).sum(-1)
        within = (inverses**-2 - _NOTHING).clamp_min(0)
        between = (means - mean[..., None]).square()
        return mean, ((within + between) * share).sum(-1)


def _is_plain(layer: nn.Conv2d) -> bool:
    return (
        layer.kernel_size == (3, 3)
        and layer.stride == layer.padding == layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
    )
