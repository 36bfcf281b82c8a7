"""The one-step generator: encode, predict the noise once, subtract it, decode (eq. 1)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor, nn

from toolkit.checkpoints import load_tensors
from toolkit.errors import OptionsError, did_you_mean
from toolkit.images import bicubic_resize
from toolkit.interfaces import Backbone, Prediction
from toolkit.weights import hollow
from toolkit_generators.compact import compact, expand, is_compact
from toolkit_generators.restorer import FORMS, Form, OneStepRestorer


class OneStep:
    """A frozen VAE, a UNet with LoRA or trained as a whole, and a learnable text embedding.

    Args:
        backbone: Supplies both networks and the noise schedule.
        timestep: T_L of eq. 1.
        lora_rank: Rank of the UNet's LoRA; 0 to train all of its weights instead.
        lora_alpha: Its scaling factor.
        lora_layers: Which layers take it, by the name of the list.
        posterior: What is taken of the VAE's posterior.
    """

    scale = 4
    forms = FORMS

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
        """ε_θ(z_L; T_L), the noise that the UNet sees in scaled latents `[b, c, h, w]`."""
        dtype = self.unet.conv_in.weight.dtype
        told = self.condition(len(z_l), dtype)
        predicted: Tensor = self.unet(z_l.to(dtype), self.timestep, **told).sample
        return predicted

    def one_step(self, z_l: Tensor, noise: Tensor) -> Tensor:
        """Eq. 1, in float32 at least: at t = 999 rounding errors would grow 14.65 times."""
        z_h: Tensor = (z_l - self._noise * noise.float()) / self._signal
        return z_h

    @torch.no_grad()
    def encode(self, hr: Tensor) -> Tensor:
        """Scaled latents of images in [0, 1], `[b, c, h/f, w/f]`, float32.

        The mode of the VAE's posterior, or a sample of it whose noise follows from the image
        itself: either way restoring is a function of its input. Open in the paper.
        """
        posterior = self.vae.encode((2 * hr - 1).to(self.vae.dtype)).latent_dist
        latent = posterior.mode().float()
        if self.posterior == "sample":
            latent = latent + posterior.std.float() * _noise_of(hr, latent)
        scaled: Tensor = latent * self.latent_scaling
        return scaled

    def decode(self, latent: Tensor) -> Tensor:
        """Images of scaled latents, about [0, 1], `[b, 3, f·h, f·w]`, float32."""
        decoded = self.vae.decode((latent / self.latent_scaling).to(self.vae.dtype)).sample
        image: Tensor = (decoded.float() + 1) / 2
        return image

    def as_restorer(self, form: Form = "folded") -> OneStepRestorer:
        """The same network, for whole images of any size; this generator is used up by it.

        Args:
            form: How much of the work is done beforehand; all give the same images.
        """
        return OneStepRestorer(self, form)

    def export(self, folder: Path, form: str, keys: str, base: str) -> str:
        """See `toolkit_generators.exporting`; with the form `merged`, this generator is used up."""
        from toolkit_generators.exporting import export

        return export(self, folder, form, keys, base)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """All that takes part in a prediction, by name."""
        return {"vae": self.vae, "unet": self.unet, "condition": self.condition}

    def trainable(self) -> dict[str, nn.Parameter]:
        """The embeddings, and the LoRA or all of the UNet."""
        unet = {f"unet.{name}": parameter for name, parameter in self._trained.items()}
        return {**dict(self.condition.named_parameters()), **unet}

    def state(self) -> dict[str, Tensor]:
        """What is trained, detached."""
        return {name: parameter.detach() for name, parameter in self.trainable().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes over a state or a compact one; raises `CheckpointError` where it does not fit."""
        if is_compact(state):
            state = expand(state, self._base())
        load_tensors(self.state(), state, "the generator")

    def compact_state(self) -> dict[str, Tensor]:
        """The same in as few bytes as restoring needs; see `toolkit_generators.compact`."""
        return compact(self.state(), {} if self.lora_rank else self._base())

    def _base(self) -> dict[str, Tensor]:
        """The UNet's weights before training, by the names of the state."""
        pretrained = self.backbone.unet(shared=True)
        return {f"unet.{name}": tensor for name, tensor in pretrained.state_dict().items()}

    def to(self, device: torch.device) -> Self:
        """Moves everything to a device."""
        for module in (self.vae, self.unet, self.condition):
            module.to(device)
        return self


def _check_layers(backbone: Backbone, layers: str) -> None:
    known = list(backbone.lora_layers)
    if layers not in known:
        raise OptionsError(
            f"The backbone {backbone.name!r} has no list of LoRA layers named {layers!r}."
            f"{did_you_mean(layers, known)}",
            f"Known: {', '.join(known)}. For example: --set gen.lora_layers={known[0]}",
        )


def _noise_of(images: Tensor, like: Tensor) -> Tensor:
    """Noise of the shape of `like` that each image's own bytes decide."""
    if hollow():
        return torch.randn_like(like)
    drawn = []
    for image, each in zip(images.float().cpu(), like, strict=True):
        seed = zlib.crc32(image.contiguous().numpy().data)
        rng = torch.Generator().manual_seed(seed)
        drawn.append(torch.randn(each.shape, generator=rng))
    return torch.stack(drawn).to(like)
