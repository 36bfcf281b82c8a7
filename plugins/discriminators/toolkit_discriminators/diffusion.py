"""Diffusion models as discriminators of latents: NAD and its baselines (Table 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

import torch
from torch import Tensor, nn

from toolkit.plugin import Backbone, UsageError, load_tensors
from toolkit_discriminators.heads import MINIMUM_SIDES, Head, make_head
from toolkit_discriminators.noising import Noising
from toolkit_discriminators.trunk import Trunk


class DiffusionDiscriminator:
    """The first half of a pretrained UNet with LoRA, and a head that gives logits per region.

    Args:
        backbone: Supplies the UNet of the trunk and the noise schedule of eq. 4.
        noising: Draws the timesteps.
        lora_rank: Rank of the trunk's LoRA.
        lora_alpha: Scaling factor of the trunk's LoRA.
        head: Architecture of the head.
        shared_draws: Whether real and fake get the same timestep and noise.
        share: Whether to share frozen weights with a generator on the same backbone.
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
        """Returns a logit per region that scaled latents are real.

        Args:
            x: Scaled latents, `[b, c, h, w]`.
            rng: Draws timesteps and noise.

        Returns:
            `[b, 1, h/2^n, w/2^n]`; n counts the trunk's halvings and those of the head.

        Raises:
            UsageError: The latents do not fit the trunk, or are too small for the head.
        """
        return self._judge(*self._noised(x, rng))

    def logits_of_both(
        self, fake: Tensor, real: Tensor, fake_rng: torch.Generator, real_rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Returns `logits(fake, fake_rng)` and `logits(real, real_rng)`, computed as one batch.

        The trunk's weights are read once instead of twice, which is most of the time of a small
        batch.
        """
        pairs = self._noised(fake, fake_rng), self._noised(real, real_rng)
        noisy, t = (torch.cat(both) for both in zip(*pairs, strict=True))
        fake_logits, real_logits = self._judge(noisy, t).chunk(2)
        return fake_logits, real_logits

    def _noised(self, x: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Returns F(x, t) of eq. 4 in the trunk's precision, and the drawn t."""
        if x.shape[1] != self.trunk.latent_channels:
            raise UsageError(
                f"The discriminator's backbone expects latents with {self.trunk.latent_channels} "
                f"channels, but the generator's have {x.shape[1]}.",
                "Use the generator's backbone by omitting the variant: --disc nad",
            )
        return self._noised_to(x, self.noising.draw(x.shape[0], rng, x.device), rng)

    def _noised_to(self, x: Tensor, t: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Returns F(x, t) of eq. 4 in the trunk's precision, and t."""
        signal = self._alphas_cumprod.to(x.device)[t]
        if self.noising.clean_at_zero:
            signal = signal.where(t > 0, torch.ones_like(signal))
        noise = torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
        return add_noise(x, noise, signal).to(self.trunk.conv_in.weight.dtype), t

    def trunk_features(self, x: Tensor, t: int, rng: torch.Generator) -> Tensor:
        """Returns mid-block features of scaled latents, `[b, c, h, w]`, noised to one timestep.

        Returns:
            `[b, width, h/2^n, w/2^n]`, which the head judges.
        """
        noisy, steps = self._noised_to(x, torch.full((len(x),), t, device=x.device), rng)
        return self._features(noisy, steps).float()

    def _features(self, noisy: Tensor, t: Tensor) -> Tensor:
        features: Tensor = self.trunk(noisy, t, self.condition(len(noisy), noisy.dtype))
        return features

    def _judge(self, noisy: Tensor, t: Tensor) -> Tensor:
        features = self._features(noisy, t)
        if min(features.shape[2:]) < MINIMUM_SIDES[self._head]:
            raise UsageError(
                f"The head {self._head!r} needs feature maps with sides of at least "
                f"{MINIMUM_SIDES[self._head]}; these latents give {min(features.shape[2:])}.",
                "Train on larger crops: --set train.crop=512, or use --set disc.head=mlp",
            )
        logits: Tensor = self.head(features.float()).float()
        return logits

    def observe(self, real_logits: Tensor, fake_logits: Tensor) -> None:  # noqa: ARG002
        """Updates the noise schedule, if it is adaptive, from the logits of real latents."""
        self.noising.observe(real_logits)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Trunk, head and embeddings, by name."""
        return {"trunk": self.trunk, "head": self.head, "condition": self.condition}

    def trainable(self) -> dict[str, nn.Parameter]:
        """Returns the parameters of the embeddings, the trunk's LoRA and the head, by name."""
        lora = {f"trunk.{name}": parameter for name, parameter in self._lora.items()}
        head = {f"head.{name}": parameter for name, parameter in self.head.named_parameters()}
        return {**dict(self.condition.named_parameters()), **lora, **head}

    def state(self) -> dict[str, Tensor]:
        """Returns the trained parameters, detached, and the state of the noise schedule."""
        trained = {name: parameter.detach() for name, parameter in self.trainable().items()}
        return trained | {f"noising.{name}": value for name, value in self.noising.state.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Loads what `state` returned; raises `CheckpointError` on a mismatch."""
        load_tensors(self.state(), state, "the discriminator")

    def to(self, device: torch.device) -> Self:
        """Moves the networks to a device; the state of the noise schedule stays on the CPU."""
        for network in self.networks.values():
            network.to(device)
        self._alphas_cumprod = self._alphas_cumprod.to(device)
        return self


def add_noise(z: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """Forward diffusion F(z, t) = √ᾱ_t z + √(1−ᾱ_t) ε (eq. 4).

    Args:
        z: Scaled latents, `[b, c, h, w]`.
        noise: ε, of the same shape.
        alphas_cumprod: ᾱ_t for each image, `[b]`.

    Example:
        >>> one = torch.ones(1, 1, 1, 1)
        >>> round(add_noise(one, one, torch.tensor([0.36])).item(), 4)
        1.4
    """
    signal = alphas_cumprod.view(-1, 1, 1, 1)
    return signal.sqrt() * z + (1 - signal).sqrt() * noise
