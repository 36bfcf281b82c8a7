"""SeeSR's UNet and ControlNet: diffusers' own, with attention to the tagger's image tokens.

Source: Wu et al., SeeSR: Towards Semantics-Aware Real-World Image Super-Resolution, 2024.

Shapes: n prompts per sample (2 with guidance), h w sides of the latent, T image tokens, d text
width.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from toolkit.plugin import Checkpoint, fill
from toolkit_peers.making import freeze, making

TOKEN_WIDTH = 512
"""Width of an image token."""
_HINT_CHANNELS = (16, 32, 96, 256)
_ZERO_AT_FIRST = ("controlnet_cond_embedding.conv_out", "controlnet_down_blocks", "controlnet_mid")


def controlnet_for(unet: UNet2DConditionModel) -> ControlNetModel:
    """Makes a ControlNet of a UNet's widths on the meta device."""
    with torch.device("meta"):
        made: ControlNetModel = ControlNetModel.from_unet(
            unet,
            conditioning_embedding_out_channels=_HINT_CHANNELS,
            load_weights_from_unet=False,
        )
    return made


def add_image_attentions(network: nn.Module) -> None:
    """Gives every text transformer of a network a partner, which attends to image tokens.

    The partners of a block are its `image_attentions`. They are on the meta device.

    Args:
        network: A UNet or ControlNet.
    """
    for block in _attending_blocks(network):
        block.image_attentions = nn.ModuleList(map(_partner, block.attentions))


def load(network: nn.Module, checkpoint: Checkpoint, precision: torch.dtype) -> None:
    """Gives a network, which may be on the meta device, the weights of a published file.

    Raises:
        WeightsError: A tensor is missing, unexpected or of another shape.
    """
    values = fill(network.state_dict(), checkpoint, precision=precision)
    network.load_state_dict(values, assign=True)
    freeze(network)


def randomise(network: nn.Module) -> None:
    """Gives a network on the meta device random weights, always the same, on the CPU."""
    network.to_empty(device="cpu")
    with making(hollow=False):
        for layer in network.modules():
            # Containers have no weights, and diffusers' own layers draw none.
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.GroupNorm | nn.LayerNorm):
                layer.reset_parameters()
        # As before training, the control would have no effect.
        for name, parameter in network.named_parameters():
            if name.startswith(_ZERO_AT_FIRST):
                nn.init.normal_(parameter, std=0.02)
    freeze(network)


@contextlib.contextmanager
def seeing(network: nn.Module, tokens: Tensor) -> Iterator[None]:
    """Lets the image attentions of a network take part, within a block of code.

    Args:
        network: After `add_image_attentions`, or a block of it.
        tokens: Image tokens, `[n, T, 512]`.
    """

    def follow_with(partner: nn.Module) -> Any:
        def follow(_text: object, _inputs: object, output: tuple[Tensor, ...]) -> tuple[Tensor]:
            seen: tuple[Tensor] = partner(
                output[0], encoder_hidden_states=tokens, return_dict=False
            )
            return seen

        return follow

    with contextlib.ExitStack() as hooks:
        for block in _attending_blocks(network):
            for text, partner in zip(block.attentions, block.image_attentions, strict=True):
                hook = text.register_forward_hook(follow_with(partner))
                hooks.callback(hook.remove)
        yield


class ControlledUNet:
    """Predicts noise, controlled by the LR image.

    Args:
        unet: With image attentions; is frozen.
        controlnet: With image attentions; is frozen.
    """

    def __init__(self, unet: Any, controlnet: Any) -> None:
        self.unet, self.controlnet = unet, controlnet
        freeze(unet)
        freeze(controlnet)

    @torch.no_grad()
    def __call__(
        self, sample: Tensor, timestep: int, text: Tensor, tokens: Tensor, hint: Tensor
    ) -> Tensor:
        """Returns the noise (ε) in a sample, float32.

        Args:
            sample: Latent `[n, 4, h, w]`.
            timestep: In [0, 999].
            text: Embeddings of the prompts, `[n, 77, d]`.
            tokens: Image tokens, `[n, T, 512]`.
            hint: Enlarged LR image `[n, 3, 8h, 8w]` in [0, 1].
        """
        precision = next(self.unet.parameters()).dtype
        sample, text, tokens, hint = (x.to(precision) for x in (sample, text, tokens, hint))
        with seeing(self.controlnet, tokens):
            down, middle = self.controlnet(sample, timestep, text, hint, return_dict=False)
        with seeing(self.unet, tokens):
            predicted: Tensor = self.unet(
                sample,
                timestep,
                text,
                down_block_additional_residuals=down,
                mid_block_additional_residual=middle,
                return_dict=False,
            )[0]
        return predicted.float()


def _attending_blocks(network: nn.Module) -> Iterator[Any]:
    """The blocks that have text transformers."""
    for block in network.modules():
        if isinstance(getattr(block, "attentions", None), nn.ModuleList):
            yield block


def _partner(attention: Any) -> Transformer2DModel:
    # `from_config` would replace the widths, which diffusers takes for defaults of its own.
    config = {name: value for name, value in attention.config.items() if name[0] != "_"}
    with torch.device("meta"):
        return Transformer2DModel(**config | {"cross_attention_dim": TOKEN_WIDTH})
