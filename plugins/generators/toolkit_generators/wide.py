"""Wide convolutions of a network that is done with training, with a quarter of the products."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from toolkit import winograd

_NARROW = 512
"""A network whose widest convolution has fewer channels, in and out, is left as it is."""


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


def _is_plain(layer: nn.Conv2d) -> bool:
    return (
        layer.kernel_size == (3, 3)
        and layer.stride == layer.padding == layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
    )
