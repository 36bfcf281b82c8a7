"""Modulation by the LR image's features, in every residual block of Stable Diffusion's UNet.

Sources: J. Wang et al., Exploiting Diffusion Prior for Real-World Image Super-Resolution, 2023;
T. Park et al., Semantic Image Synthesis with Spatially-Adaptive Normalization, 2019.

Shapes: b batch, c channels, h w sides of the latent or of a level's features.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

Features = Mapping[int, Tensor]
"""Features of the LR image at several resolutions, `[b, c, h, w]`, by their width `w`."""
_HIDDEN = 128
_EPS = 1e-5


class Modulation(nn.Module):
    """Scales and shifts normalised features, pixel by pixel (SPADE).

    The names of its parts are those of the published checkpoint. Its normalisation has weights, in
    spite of the name.

    Args:
        channels: Of what is modulated.
        condition: Channels of the condition.
        groups: Groups of the normalisation.
    """

    def __init__(self, channels: int, condition: int, groups: int = 32) -> None:
        super().__init__()
        self.param_free_norm = nn.GroupNorm(groups, channels, eps=_EPS)
        self.mlp_shared = nn.Sequential(nn.Conv2d(condition, _HIDDEN, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(_HIDDEN, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(_HIDDEN, channels, 3, padding=1)

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """Modulates `[b, channels, h, w]` by `[b, condition, h, w]`."""
        shared = self.mlp_shared(condition)
        normalised = self.param_free_norm(hidden)
        modulated: Tensor = normalised * (1 + self.mlp_gamma(shared)) + self.mlp_beta(shared)
        return modulated


def add_modulations(unet: nn.Module, condition: int, groups: int = 32) -> None:
    """Gives every residual block of diffusers' UNet a `Modulation`, its `spade`.

    Args:
        unet: The UNet, or a block of it.
        condition: Channels of the condition.
        groups: Groups of the normalisations.
    """
    for block in list(_residual_blocks(unet)):
        block.spade = Modulation(block.out_channels, condition, groups)


@contextlib.contextmanager
def modulated(unet: nn.Module, features: Features) -> Iterator[None]:
    """Modulates what each residual block adds to its input, within a block of code.

    Args:
        unet: After `add_modulations`.
        features: The condition at each of the UNet's resolutions.
    """

    def follow_with(modulation: Modulation) -> Any:
        def follow(_convolution: object, _inputs: object, output: Tensor) -> Tensor:
            found: Tensor = modulation(output, features[output.shape[3]])
            return found

        return follow

    with contextlib.ExitStack() as hooks:
        for block in _residual_blocks(unet):
            # The last convolution, before the input is added.
            hook = block.conv2.register_forward_hook(follow_with(block.spade))
            hooks.callback(hook.remove)
        yield


def _residual_blocks(network: nn.Module) -> Iterator[Any]:
    return (each for each in network.modules() if isinstance(each, ResnetBlock2D))
