"""NAD, the noise-aware discriminator: a diffusion model judges noised latents (section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

import torch
from torch import Tensor, nn

from toolkit.checkpoints import load_tensors
from toolkit.errors import UsageError
from toolkit.interfaces import Backbone
from toolkit_discriminators.trunk import Trunk

_TEXT_SPREAD = 0.02
"""Standard deviation of the text embedding at the start; open in the paper."""


class NoiseAware:
    """A pretrained UNet's first half with LoRA, and a head that votes for each region.

    Args:
        backbone: Its UNet becomes the trunk, its schedule F of eq. 4.
        lora_rank: Rank of the trunk's LoRA.
        lora_alpha: Its scaling factor.
        shared_draws: Whether real and fake get the same timestep and noise.
    """

    judges: Literal["latents"] = "latents"

    def __init__(
        self, backbone: Backbone, *, lora_rank: int, lora_alpha: float, shared_draws: bool
    ) -> None:
        self.shared_draws = shared_draws
        self.trunk = Trunk(backbone.unet())
        self._lora = backbone.add_lora(self.trunk, lora_rank, lora_alpha)
        self.head = region_head(self.trunk.width)
        shape = (1, backbone.text_tokens, backbone.text_width)
        self.text = nn.Parameter(torch.randn(shape) * _TEXT_SPREAD)
        self._alphas_cumprod = backbone.alphas_cumprod().float()

    def logits(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Logits that each region of scaled latents `[b, c, h, w]` is real, `[b, 1, h/2^n, w/2^n]`.

        Timestep and noise are drawn from `rng`, t uniform on the whole schedule.

        Raises:
            UsageError: The latents are not of the kind that the trunk knows.
        """
        if x.shape[1] != self.trunk.latent_channels:
            raise UsageError(
                f"The discriminator's backbone knows latents of {self.trunk.latent_channels} "
                f"channels, the generator's have {x.shape[1]}.",
                "Leave the variant out, as in --disc nad, to judge with the generator's backbone.",
            )
        steps = len(self._alphas_cumprod)
        t = torch.randint(steps, (x.shape[0],), generator=rng, device=x.device)
        noise = torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
        noisy = add_noise(x, noise, self._alphas_cumprod[t])
        features = self.trunk(noisy, t, self.text.expand(x.shape[0], -1, -1))
        votes: Tensor = self.head(features).float()
        return votes

    def observe(self, real_logits: Tensor, fake_logits: Tensor) -> None:
        """NAD's noise does not adapt."""

    def trainable(self) -> dict[str, nn.Parameter]:
        """The trunk's LoRA, the head and the text embedding."""
        lora = {f"trunk.{name}": parameter for name, parameter in self._lora.items()}
        head = {f"head.{name}": parameter for name, parameter in self.head.named_parameters()}
        return {"text": self.text, **lora, **head}

    def state(self) -> dict[str, Tensor]:
        """What is trained, detached."""
        return {name: parameter.detach() for name, parameter in self.trainable().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes over what `state` returned; raises `CheckpointError` where it does not fit."""
        load_tensors(self.state(), state, "the discriminator")

    def to(self, device: torch.device) -> Self:
        """Moves everything to a device."""
        self.trunk.to(device)
        self.head.to(device)
        self.text.data = self.text.data.to(device)
        self._alphas_cumprod = self._alphas_cumprod.to(device)
        return self


def add_noise(z: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """Forward diffusion F(z, t) = √ᾱ_t z + √(1−ᾱ_t) ε (eq. 4).

    Args:
        z: Scaled latents, `[b, c, h, w]`.
        noise: ε, of the same shape.
        alphas_cumprod: ᾱ_t of each image, `[b]`.

    Example:
        >>> one = torch.ones(1, 1, 1, 1)
        >>> round(add_noise(one, one, torch.tensor([0.36])).item(), 4)
        1.4
    """
    signal = alphas_cumprod.view(-1, 1, 1, 1)
    return signal.sqrt() * z + (1 - signal).sqrt() * noise


def region_head(width: int) -> nn.Sequential:
    """An MLP for each location; two layers, the paper says no more than "MLP"."""
    return nn.Sequential(nn.Conv2d(width, width, 1), nn.SiLU(), nn.Conv2d(width, 1, 1))
