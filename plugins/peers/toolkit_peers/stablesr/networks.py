"""StableSR's networks, and how they are read from the published checkpoints."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from toolkit.plugin import LDM_PREFIXES, Checkpoint, fill, ldm_name
from toolkit_peers.making import freeze
from toolkit_peers.stablesr import fusion
from toolkit_peers.stablesr.modulation import modulated
from toolkit_peers.stablesr.structure import TimeAwareEncoder
from toolkit_peers.text import TextEncoder, read_text_encoder

logger = logging.getLogger(__name__)

_STRUCTURE = "structcond_stage_model."
_TEXT = re.compile(
    r"cond_stage_model\.model\.(transformer\.resblocks\..+|token_embedding\.weight|"
    r"ln_final\.(weight|bias)|positional_embedding|text_projection|logit_scale|attn_mask)"
)
_SCHEDULE = re.compile(
    r"betas|(sqrt_|log_)?(one_minus_|recip_|recipm1_)?alphas_cumprod(_prev)?|"
    r"posterior_(variance|log_variance_clipped|mean_coef[12])"
)
_TRAINING = "loss."
"""Prefix of what only the training of the second autoencoder used."""


@dataclass(frozen=True)
class Networks:
    """The networks, frozen.

    Attributes:
        unet: diffusers' `UNet2DConditionModel` with modulations; predicts noise.
        structure: Features of the LR image for the modulations.
        vae: Stable Diffusion's autoencoder, which encodes the LR image; None if that is left to
            `fusion`.
        fusion: The autoencoder with fusions, which decodes.
        text: Encodes the empty prompt.
        latent_scaling: Scales latents to about unit variance.
    """

    unet: Any
    structure: TimeAwareEncoder
    vae: Any
    fusion: Any
    text: TextEncoder
    latent_scaling: float

    @property
    def by_name(self) -> dict[str, nn.Module]:
        """Those that take part."""
        encoders = {} if self.vae is None else {"vae": self.vae}
        both = {"unet": self.unet, "structure": self.structure}
        return {**both, **encoders, "fusion": self.fusion, "text_encoder": self.text.network}

    @torch.no_grad()
    def predict_noise(self, noisy: Tensor, clean: Tensor, timestep: int, text: Tensor) -> Tensor:
        """Predicts the noise in latents, in one pass through encoder and UNet.

        Args:
            noisy: Latents `[b, 4, h, w]`; sides are multiples of 8.
            clean: Scaled latents of the LR images, without noise, `[b, 4, h, w]`.
            timestep: In [0, 999].
            text: Embeddings of the prompts, `[b, 77, width]`.

        Returns:
            `[b, 4, h, w]`, float32.
        """
        noisy, clean, text = (each.to(self.unet.dtype) for each in (noisy, clean, text))
        timesteps = torch.full((len(noisy),), timestep, device=noisy.device)
        with modulated(self.unet, self.structure(clean, timesteps)):
            noise: Tensor = self.unet(noisy, timesteps, text, return_dict=False)[0]
        return noise.float()


def read_main(networks: Networks, checkpoint: Checkpoint, precision: torch.dtype) -> None:
    """Gives all networks but `fusion` the weights of `stablesr_000117.ckpt`.

    Tensors that StableSR does not use are named in a log message.

    Args:
        networks: May be on the meta device.
        checkpoint: The file, unwrapped.
        precision: Data type of the weights.

    Raises:
        WeightsError: A tensor is missing, or of another shape.
    """
    left = {name for name in checkpoint.names if not _SCHEDULE.fullmatch(name)}
    left -= _fill(networks.unet, checkpoint, _ldm("unet", networks.unet.config), precision)
    left -= _fill(networks.structure, checkpoint, lambda name: _STRUCTURE + name, precision)
    if networks.vae is None:
        left = {name for name in left if not name.startswith(LDM_PREFIXES["vae"])}
    else:
        left -= _fill(networks.vae, checkpoint, _ldm("vae", networks.vae.config), precision)
    read_text_encoder(
        networks.text.network, checkpoint.renamed(lambda name: name if _TEXT.match(name) else None)
    )
    nn.Module.to(networks.text.network, precision)
    freeze(networks.text.network)
    if unused := sorted(name for name in left if not _TEXT.match(name)):
        logger.info("%s also has %s, which are not used", checkpoint.label, ", ".join(unused))


def read_fusion(vae: Any, checkpoint: Checkpoint, precision: torch.dtype) -> None:
    """Gives the autoencoder with fusions the weights of `vqgan_cfw_00011.ckpt`.

    Args:
        vae: May be on the meta device.
        checkpoint: The file, unwrapped.
        precision: Data type of the weights.

    Raises:
        WeightsError: A tensor is missing, unexpected or of another shape.
    """
    original = _ldm("vae", vae.config)

    def rename(name: str) -> str:
        within = name.startswith("decoder.fusion_layer_")
        plain = fusion.original_name(name) if within else original(name)
        return plain.removeprefix(LDM_PREFIXES["vae"])

    kept = checkpoint.renamed(lambda name: None if name.startswith(_TRAINING) else name)
    values = fill(vae.state_dict(), kept, lambda name: [rename(name)], precision=precision)
    vae.load_state_dict(values, assign=True)
    freeze(vae)


def _ldm(part: Any, config: Any) -> Callable[[str], str]:
    return lambda name: ldm_name(part, name, config)


def _fill(
    network: nn.Module, checkpoint: Checkpoint, rename: Callable[[str], str], precision: torch.dtype
) -> set[str]:
    """Gives a network its weights, and returns their names in the checkpoint."""
    own = network.state_dict()
    names = {rename(name) for name in own}
    kept = checkpoint.renamed(lambda name: name if name in names else None)
    values = fill(own, kept, lambda name: [rename(name)], precision=precision)
    network.load_state_dict(values, assign=True)
    freeze(network)
    return names
