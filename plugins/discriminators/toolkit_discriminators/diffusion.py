"""A diffusion model as a discriminator of latents: NAD, and what it is compared with (Table 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

import torch
from torch import Tensor, nn

from toolkit.checkpoints import load_tensors
from toolkit.errors import UsageError
from toolkit.interfaces import Backbone
from toolkit_discriminators.heads import LEAST, Head, make_head
from toolkit_discriminators.noising import Noising
from toolkit_discriminators.trunk import Trunk


class DiffusionDiscriminator:
    """A pretrained UNet's first half with LoRA, and a head that votes for each region.

    Args:
        backbone: Its UNet becomes the trunk, its schedule F of eq. 4.
        noising: At which timesteps latents are judged.
        lora_rank: Rank of the trunk's LoRA.
        lora_alpha: Its scaling factor.
        head: What turns features into votes.
        shared_draws: Whether real and fake get the same timestep and noise.
        share: Whether the trunk's frozen weights may be those of a generator on the same backbone.
    """

    judges: Literal["latents"] = "latents"
    autocast = True

    def __init__(
        self,
        backbone: Backbone,
        noising: Noising,
        *,
        lora_rank: int,
        lora_alpha: float,
        head: Head = "mlp",
        shared_draws: bool = False,
        share: bool = True,
    ) -> None:
        self.shared_draws = shared_draws
        self.noising = noising
        self.trunk = Trunk(backbone.unet(shared=share))
        layers = next(iter(backbone.lora_layers))
        self._lora = backbone.add_lora(self.trunk, lora_rank, lora_alpha, layers)
        self._head: Head = head
        self.head = make_head(head, self.trunk.width)
        self.condition = backbone.condition()
        self._alphas_cumprod = backbone.alphas_cumprod().float()

    def logits(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Logits that each region of scaled latents `[b, c, h, w]` is real, `[b, 1, h/2^n, w/2^n]`.

        Timesteps and noise are drawn from `rng`.

        Raises:
            UsageError: The latents are not of the kind that the trunk knows.
        """
        if x.shape[1] != self.trunk.latent_channels:
            raise UsageError(
                f"The discriminator's backbone knows latents of {self.trunk.latent_channels} "
                f"channels, the generator's have {x.shape[1]}.",
                "Leave the variant out, as in --disc nad, to judge with the generator's backbone.",
            )
        t = self.noising.draw(x.shape[0], rng, x.device)
        signal = self._alphas_cumprod.to(x.device)[t]
        if self.noising.clean_at_zero:
            signal = signal.where(t > 0, torch.ones_like(signal))
        noise = torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
        dtype = self.trunk.conv_in.weight.dtype
        noisy = add_noise(x, noise, signal).to(dtype)
        features = self.trunk(noisy, t, self.condition(x.shape[0], dtype))
        if min(features.shape[2:]) < LEAST[self._head]:
            raise UsageError(
                f"The head {self._head!r} needs maps of {LEAST[self._head]} places a side; these "
                f"latents give {min(features.shape[2:])}.",
                "Train on larger crops, such as --set train.crop=512, or take --set disc.head=mlp",
            )
        votes: Tensor = self.head(features.float()).float()
        return votes

    def observe(self, real_logits: Tensor, fake_logits: Tensor) -> None:  # noqa: ARG002
        """Lets an adaptive noising learn how sure the discriminator is of what is real."""
        self.noising.observe(real_logits)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """All that takes part in a verdict, by name."""
        return {"trunk": self.trunk, "head": self.head, "condition": self.condition}

    def trainable(self) -> dict[str, nn.Parameter]:
        """The trunk's LoRA, the head and the embeddings."""
        lora = {f"trunk.{name}": parameter for name, parameter in self._lora.items()}
        head = {f"head.{name}": parameter for name, parameter in self.head.named_parameters()}
        return {**dict(self.condition.named_parameters()), **lora, **head}

    def state(self) -> dict[str, Tensor]:
        """What is trained, detached, and the noising's own."""
        trained = {name: parameter.detach() for name, parameter in self.trainable().items()}
        return trained | {f"noising.{name}": each for name, each in self.noising.state.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes over what `state` returned; raises `CheckpointError` where it does not fit."""
        load_tensors(self.state(), state, "the discriminator")

    def to(self, device: torch.device) -> Self:
        """Moves everything to a device; the noising's few numbers stay on the processor."""
        for network in self.networks.values():
            network.to(device)
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
