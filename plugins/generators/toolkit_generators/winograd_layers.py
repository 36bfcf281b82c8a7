"""Faster wide convolutions on a CPU, with Winograd's algorithm."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from toolkit import winograd

_MIN_CHANNELS = 512
"""Networks are changed only if a convolution has this many input and output channels together."""

_EPS = 1e-12
"""Avoids division by zero for bands of constant value."""


def use_winograd_with_gradients(network: nn.Module) -> None:
    """Lets frozen 3x3 convolutions use Winograd's algorithm, forward and backward, in place.

    The network stays as it is otherwise; see `use_winograd` for inference.
    """
    for layer in network.modules():
        if type(layer) is nn.Conv2d and _is_plain(layer):
            layer.__class__ = FrozenConvolution


def use_winograd(network: nn.Module) -> None:
    """Replaces 3x3 convolutions and GroupNorms in place, if the network is wide enough to gain.

    The network's memory format becomes channels last.
    """
    convolutions = [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Conv2d) and _is_plain(child)
    ]
    widths = [layer.in_channels + layer.out_channels for _, _, layer in convolutions]
    if max(widths, default=0) < _MIN_CHANNELS:
        return
    network.to(memory_format=torch.channels_last)
    for parent, name, convolution in convolutions:
        setattr(parent, name, WideConvolution(convolution))
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.GroupNorm):
                setattr(parent, name, WideGroupNorm(layer))
            elif isinstance(layer, nn.SiLU):
                layer.inplace = True  # safe: its input is the fresh output of a norm


class FrozenConvolution(nn.Conv2d):
    """A 3x3 convolution that gradients pass through, with stride 1 and padding 1.

    It uses Winograd's algorithm on a CPU in float32, where it is faster.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolves `[b, in, h, w]` to `[b, out, h, w]`."""
        weight = self.weight
        if not _pays(weight, x) or weight.requires_grad or torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        convolved: Tensor = _Convolve.apply(x, self)
        return convolved

    @property
    def matrices(self) -> Tensor:
        """The transformed weights, which are four times as large; kept for the same weights."""
        known: tuple[Tensor, int, Tensor] | None = getattr(self, "_known", None)
        weight = self.weight
        if known is None or known[0] is not weight or known[1] != weight._version:  # noqa: SLF001
            known = weight, weight._version, winograd.transform(weight.detach())  # noqa: SLF001
            object.__setattr__(self, "_known", known)  # no parameter of its own
        return known[2]


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: FrozenConvolution) -> Tensor:
        ctx.layer = layer
        return winograd.convolve(x, layer.matrices, layer.bias).contiguous()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        matrices = ctx.layer.matrices
        return winograd.convolve(gradient, matrices, transposed=True).contiguous(), None


class WideConvolution(nn.Module):
    """A 3x3 convolution that uses Winograd's algorithm on a CPU in float32, where it is faster.

    Args:
        plain: The convolution to replace, with stride 1 and padding 1.
    """

    def __init__(self, plain: nn.Conv2d) -> None:
        super().__init__()
        self.plain = plain
        self._matrices: Tensor | None = None

    @property
    def weight(self) -> Tensor:
        """Weight of the replaced convolution."""
        return self.plain.weight

    def forward(self, x: Tensor) -> Tensor:
        """Convolves `[b, in, h, w]` to `[b, out, h, w]`, without gradients."""
        weight = self.plain.weight
        if _pays(weight, x):
            if self._matrices is None:
                self._matrices = winograd.transform(weight)
            return winograd.convolve(x, self._matrices, self.plain.bias)
        convolved: Tensor = self.plain(x.contiguous(memory_format=torch.channels_last))
        return convolved


class WideGroupNorm(nn.Module):
    """GroupNorm for channels last that is as accurate as PyTorch's for channels first.

    With channels last, PyTorch sums the squares of a whole map at once, with errors of 1e-4 at
    512 px. Here, moments are computed in bands of about 4096 pixels and combined in float64.
    """

    _BAND_PIXELS = 4096

    def __init__(self, plain: nn.GroupNorm) -> None:
        super().__init__()
        self.plain = plain

    def forward(self, x: Tensor) -> Tensor:
        """Normalises `[b, c, ...]`; returns the same shape."""
        plain = self.plain
        if torch.compiler.is_exporting():
            exported: Tensor = plain(x)
            return exported
        channels_last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
        if not channels_last or x.device.type != "cpu" or x.dtype != torch.float32:
            normed: Tensor = plain(x)
            return normed
        mean, variance = self._moments(x)
        width = x.shape[1] // plain.num_groups
        scale = (variance + plain.eps).rsqrt().repeat_interleave(width, 1) * plain.weight
        shift = plain.bias - mean.repeat_interleave(width, 1) * scale
        scale, shift = (factor.to(x)[:, :, None, None] for factor in (scale, shift))
        return torch.addcmul(shift, x, scale)

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns mean and variance of each group, `[b, groups]`, float64."""
        batch, channels, _, width = x.shape
        moments, sizes = [], []
        for band in torch.split(x, max(1, self._BAND_PIXELS // width), dim=2):
            pixels = band.shape[2] * width
            _, mean, inverse_std = torch.native_group_norm(
                band, None, None, batch, channels, pixels, self.plain.num_groups, _EPS
            )
            moments.append(torch.stack([mean, inverse_std]).double())
            sizes.append(pixels)
        means, inverse_stds = torch.stack(moments, dim=-1)
        share = torch.tensor(sizes, dtype=torch.float64) / sum(sizes)
        mean = (means * share).sum(-1)
        within = (inverse_stds**-2 - _EPS).clamp_min(0)
        between = (means - mean[..., None]).square()
        return mean, ((within + between) * share).sum(-1)


def _pays(weight: Tensor, x: Tensor) -> bool:
    outputs, inputs = weight.shape[:2]
    return (
        not torch.compiler.is_exporting()
        and weight.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and winograd.pays(inputs, outputs, x.shape[0], *x.shape[2:])
    )


def _is_plain(layer: nn.Conv2d) -> bool:
    return (
        layer.kernel_size == (3, 3)
        and layer.stride == layer.padding == layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
    )
