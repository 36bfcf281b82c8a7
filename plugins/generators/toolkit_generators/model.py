"""The one-step model: encode, predict the noise once, subtract it, decode (eq. 1)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Literal, Self

import torch
from torch import Tensor, nn

from toolkit.plugin import (
    Backbone,
    OptionsError,
    Prediction,
    bicubic_resize,
    did_you_mean,
    load_tensors,
)
from toolkit_generators.compact import compact, expand, is_compact
from toolkit_generators.winograd_layers import use_winograd_with_gradients


class OneStepModel:
    """A frozen VAE, a UNet trained fully or by LoRA, and a learnable text embedding.

    Args:
        backbone: Supplies both networks and the noise schedule.
        timestep: T_L of eq. 1.
        lora_rank: Rank of the UNet's LoRA; 0 to train all of its weights instead.
        lora_alpha: Scaling factor of the LoRA.
        lora_layers: Name of one of the backbone's lists of LoRA layers.
        posterior: Whether to encode to the mode of the VAE's posterior or to a sample.

    Raises:
        OptionsError: The backbone has no list `lora_layers`.
    """

    scale = 4

    def __init__(
        self,
        backbone: Backbone,
        *,
        timestep: int,
        lora_rank: int,
        lora_alpha: float,
        lora_layers: str = "dfosd",
        posterior: Literal["mode", "sample"] = "mode",
    ) -> None:
        self.backbone = backbone
        self.vae, self.unet = backbone.vae(), backbone.unet(shared=lora_rank > 0)
        use_winograd_with_gradients(self.vae)
        self.condition = backbone.condition()
        self.fingerprint = backbone.fingerprint
        self.timestep = timestep
        self.latent_scaling = backbone.latent_scaling
        self.lora_rank, self.lora_alpha = lora_rank, lora_alpha
        self.posterior = posterior
        signal = backbone.alphas_cumprod()[timestep]
        self._signal, self._noise = signal.sqrt(), (1 - signal).sqrt()
        halvings = len(self.unet.config.block_out_channels) - 1
        self.multiple = max(1, backbone.factor * 2**halvings // self.scale)
        if lora_rank:
            _check_layers(backbone, lora_layers)
            self._trained = backbone.add_lora(self.unet, lora_rank, lora_alpha, lora_layers)
        else:
            self._trained = dict(self.unet.float().requires_grad_(True).named_parameters())

    def predict(self, lr: Tensor) -> Prediction:
        """Restores `lr`, `[b, 3, h, w]` in [0, 1], its sides multiples of `multiple`."""
        z_l = self.encode(bicubic_resize(lr, self.scale))
        z_h = self.one_step(z_l, self.noise(z_l))
        return Prediction(image=lambda: self.decode(z_h), latent=z_h)

    def noise(self, z_l: Tensor) -> Tensor:
        """Predicts ε_θ(z_L; T_L), the noise in scaled latents `[b, c, h, w]`."""
        dtype = self.unet.conv_in.weight.dtype
        conditioning = self.condition(len(z_l), dtype)
        predicted: Tensor = self.unet(z_l.to(dtype), self.timestep, **conditioning).sample
        return predicted

    def one_step(self, z_l: Tensor, noise: Tensor) -> Tensor:
        """Computes eq. 1 in at least float32: at t = 999 it amplifies rounding errors by 14.65."""
        z_h: Tensor = (z_l - self._noise * noise.float()) / self._signal
        return z_h

    @torch.no_grad()
    def encode(self, hr: Tensor) -> Tensor:
        """Encodes images in [0, 1] to scaled latents, `[b, c, h/f, w/f]`, float32.

        Takes the mode of the VAE's posterior, or a sample seeded by the image itself; both are
        deterministic. Open in the paper.
        """
        posterior = self.vae.encode((2 * hr - 1).to(self.vae.dtype)).latent_dist
        latent = posterior.mode().float()
        if self.posterior == "sample":
            latent = latent + posterior.std.float() * _noise_of(hr, latent)
        scaled: Tensor = latent * self.latent_scaling
        return scaled

    def decode(self, latent: Tensor) -> Tensor:
        """Decodes scaled latents to images of about [0, 1], `[b, 3, f·h, f·w]`, float32."""
        decoded = self.vae.decode((latent / self.latent_scaling).to(self.vae.dtype)).sample
        image: Tensor = (decoded.float() + 1) / 2
        return image

    @property
    def networks(self) -> dict[str, nn.Module]:
        """VAE, UNet and embeddings, by name."""
        return {"vae": self.vae, "unet": self.unet, "condition": self.condition}

    def trainable(self) -> dict[str, nn.Parameter]:
        """Returns the embeddings, and the LoRA or all weights of the UNet, by name."""
        unet = {f"unet.{name}": parameter for name, parameter in self._trained.items()}
        return {**dict(self.condition.named_parameters()), **unet}

    def state(self) -> dict[str, Tensor]:
        """Returns the trained parameters, detached."""
        return {name: parameter.detach() for name, parameter in self.trainable().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Loads a state, compact or not; raises `CheckpointError` on a mismatch."""
        if is_compact(state):
            state = expand(state, self._base())
        load_tensors(self.state(), state, "the generator")

    def compact_state(self) -> dict[str, Tensor]:
        """Returns the state quantised for inference; see `toolkit_generators.compact`."""
        return compact(self.state(), {} if self.lora_rank else self._base())

    def _base(self) -> dict[str, Tensor]:
        """Returns the UNet's weights before training, by the names used in the state."""
        pretrained = self.backbone.unet(shared=True)
        return {f"unet.{name}": tensor for name, tensor in pretrained.state_dict().items()}

    def to(self, device: torch.device) -> Self:
        """Moves the networks to a device."""
        for module in (self.vae, self.unet, self.condition):
            module.to(device)
        return self


def _check_layers(backbone: Backbone, layers: str) -> None:
    available = list(backbone.lora_layers)
    if layers not in available:
        raise OptionsError(
            f"The backbone {backbone.name!r} has no list of LoRA layers named {layers!r}."
            f"{did_you_mean(layers, available)}",
            f"Available: {', '.join(available)}. For example: --set gen.lora_layers={available[0]}",
        )


def _noise_of(images: Tensor, like: Tensor) -> Tensor:
    """Returns noise of the shape of `like`, seeded by the bytes of each image."""
    if images.is_meta:
        return torch.randn_like(like)
    noises = []
    for image, latent in zip(images.float().cpu(), like, strict=True):
        seed = zlib.crc32(image.contiguous().numpy().data)
        rng = torch.Generator().manual_seed(seed)
        noises.append(torch.randn(latent.shape, generator=rng))
    return torch.stack(noises).to(like)
