"""The one-step generator: encode, predict the noise once, subtract it, decode (eq. 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from toolkit.checkpoints import load_tensors
from toolkit.images import bicubic_resize
from toolkit.interfaces import Backbone, Prediction

_TEXT_SPREAD = 0.02
"""Standard deviation of the text embedding at the start; open in the paper."""


class OneStep:
    """A frozen VAE, and a frozen UNet with LoRA and a learnable text embedding.

    Args:
        backbone: Supplies both networks and the noise schedule.
        timestep: T_L of eq. 1.
        lora_rank: Rank of the UNet's LoRA.
        lora_alpha: Its scaling factor.
    """

    scale = 4

    def __init__(
        self,
        backbone: Backbone,
        *,
        timestep: int,
        lora_rank: int,
        lora_alpha: float,
    ) -> None:
        self.vae, self.unet = backbone.vae(), backbone.unet()
        self.fingerprint = backbone.fingerprint
        self.timestep = timestep
        self.latent_scaling = backbone.latent_scaling
        signal = backbone.alphas_cumprod()[timestep].item()
        self._signal, self._noise = signal**0.5, (1 - signal) ** 0.5
        halvings = len(self.unet.config.block_out_channels) - 1
        self.multiple = max(1, backbone.factor * 2**halvings // self.scale)
        shape = (1, backbone.text_tokens, backbone.text_width)
        self.text = nn.Parameter(torch.randn(shape) * _TEXT_SPREAD)
        self._lora = backbone.add_lora(self.unet, lora_rank, lora_alpha)

    def predict(self, lr: Tensor) -> Prediction:
        """Restores `lr`, `[b, 3, h, w]` in [0, 1], its sides multiples of `multiple`."""
        z_l = self.encode(bicubic_resize(lr, self.scale))
        noise = self.unet(z_l, self.timestep, self.text.expand(lr.shape[0], -1, -1)).sample
        # In float32 at least: at t = 999 rounding errors would grow 14.65 times.
        z_h = (z_l - self._noise * noise.float()) / self._signal
        image = self.vae.decode(z_h / self.latent_scaling).sample.float()
        return Prediction(image=(image + 1) / 2, latent=z_h)

    @torch.no_grad()
    def encode(self, hr: Tensor) -> Tensor:
        """Scaled latents of images in [0, 1], `[b, c, h/f, w/f]`, float32.

        The mode of the VAE's posterior, so that restoring is a function; open in the paper.
        """
        mode = self.vae.encode(2 * hr - 1).latent_dist.mode()
        scaled: Tensor = mode.float() * self.latent_scaling
        return scaled

    def as_restorer(self) -> OneStepRestorer:
        """The same network, for whole images of any size."""
        return OneStepRestorer(self)

    def trainable(self) -> dict[str, nn.Parameter]:
        """The LoRA and the text embedding."""
        return {"text": self.text, **{f"unet.{name}": p for name, p in self._lora.items()}}

    def state(self) -> dict[str, Tensor]:
        """The LoRA and the text embedding, detached."""
        return {name: parameter.detach() for name, parameter in self.trainable().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes over what `state` returned; raises `CheckpointError` where it does not fit."""
        load_tensors(self.state(), state, "the generator")

    def to(self, device: torch.device) -> Self:
        """Moves everything to a device."""
        self.vae.to(device)
        self.unet.to(device)
        self.text.data = self.text.data.to(device)
        return self


class OneStepRestorer:
    """A one-step generator as a `Restorer`."""

    name = "one-step"

    def __init__(self, generator: OneStep) -> None:
        self.scale = generator.scale
        self._generator = generator

    @torch.inference_mode()
    def __call__(self, lr: Tensor) -> Tensor:
        """`[b, 3, h, w]` of any size to `[b, 3, 4h, 4w]`, in [0, 1]."""
        height, width = lr.shape[-2:]
        multiple = self._generator.multiple
        padded = F.pad(lr, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        image = self._generator.predict(padded).image
        return image[..., : self.scale * height, : self.scale * width].clamp(0, 1)

    def to(self, device: torch.device) -> Self:
        """Moves the generator to a device."""
        self._generator.to(device)
        return self
