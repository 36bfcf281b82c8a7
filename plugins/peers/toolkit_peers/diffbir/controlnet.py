"""IRControlNet, which makes Stable Diffusion's UNet follow a cleaned image.

diffusers' `ControlNetModel`, with the latent of the condition beside the noisy one as input, in
place of a network for hints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import ControlNetModel
from torch import Tensor, nn

from toolkit.plugin import Checkpoint, fill, ldm_name
from toolkit_peers.making import making

_SHARED = (
    "act_fn", "attention_head_dim", "block_out_channels", "cross_attention_dim",
    "down_block_types", "downsample_padding", "flip_sin_to_cos", "freq_shift", "layers_per_block",
    "mid_block_scale_factor", "norm_eps", "norm_num_groups", "use_linear_projection",
)  # fmt: skip
"""Settings that a UNet has, too."""


def control_network(unet: Mapping[str, Any], *, hollow: bool = False) -> ControlNetModel:
    """Makes the network with random weights or, if hollow, on the meta device.

    Args:
        unet: diffusers' configuration of the UNet that it controls.
        hollow: Whether its tensors have no values.
    """
    settings = {name: unet[name] for name in _SHARED if name in unet}
    settings["in_channels"] = 2 * unet["in_channels"]
    with making(hollow=hollow):
        return _made(settings)


def _made(settings: Mapping[str, Any]) -> ControlNetModel:
    network = ControlNetModel(**settings)
    network.controlnet_cond_embedding = _NoHint()
    # Zeros, with which training starts, would make random weights no control at all.
    for layer in (*network.controlnet_down_blocks, network.controlnet_mid_block):
        layer.reset_parameters()
    return network.eval().requires_grad_(requires_grad=False)


class _NoHint(nn.Module):
    def forward(self, hint: Tensor) -> Tensor:
        return hint.new_zeros(())


def read_control_network(network: ControlNetModel, checkpoint: Checkpoint) -> None:
    """Gives the network the weights of `v2.pth`.

    Raises:
        WeightsError: A tensor is missing, unexpected or of another shape.
    """
    names = network.state_dict()
    values = fill(names, checkpoint, lambda name: [ldm_name("controlnet", name, network.config)])
    network.load_state_dict(values, assign=True)
    network.requires_grad_(requires_grad=False)


def predict_noise(
    unet: Any,
    controlnet: ControlNetModel,
    noisy: Tensor,
    condition: Tensor,
    timesteps: Tensor,
    context: Tensor,
    strength: float = 1.0,
) -> Tensor:
    """Predicts the noise in latents, in one pass through both networks.

    Args:
        unet: diffusers' `UNet2DConditionModel`.
        controlnet: See `control_network`.
        noisy: Latents, `[b, 4, h, w]`.
        condition: Latents of the cleaned images, `[b, 4, h, w]`.
        timesteps: `[b]`.
        context: Embeddings of the prompts, `[b, 77, width]`.
        strength: Factor of the control.

    Returns:
        `[b, 4, h, w]`, float32.
    """
    noisy, condition, context = (each.to(unet.dtype) for each in (noisy, condition, context))
    skips, middle = controlnet(
        torch.cat([noisy, condition], dim=1),
        timesteps,
        encoder_hidden_states=context,
        controlnet_cond=condition,  # not used
        conditioning_scale=strength,
        return_dict=False,
    )
    noise: Tensor = unet(
        noisy,
        timesteps,
        encoder_hidden_states=context,
        down_block_additional_residuals=skips,
        mid_block_additional_residual=middle,
        return_dict=False,
    )[0]
    return noise.float()
