"""Restores in one evaluation of Stable Diffusion's UNet, with LoRA."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from toolkit_peers import vae_tiles
from toolkit_peers.ancestral import alphas_cumprod, x0
from toolkit_peers.images import enlarge, resize, rounded, truncated, with_colours_of
from toolkit_peers.latent_tiles import Box, blended, grid_by_stride
from toolkit_peers.noise import Noise, from_posterior, seeded

if TYPE_CHECKING:
    from toolkit.restoring.colour import ColourMethod
    from toolkit_peers.prompts import Prompts

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Returns the output of the UNet for a latent, a timestep and a prompt's embeddings."""


@dataclass(frozen=True)
class Settings:
    """What tells systems of one step apart.

    Attributes:
        rule: `eq1` reads the UNet's output as noise and removes it by eq. 1 of the DFOSD paper;
            `residual` subtracts it from the latent.
        timestep: The timestep that the UNet is told, and that of ᾱ in eq. 1.
        colour: Method that matches colours.
        seed: Start of the noise of the encoder's posterior.
        process_size: Smallest side at which images are restored, in pixels.
        latent_tile: Side of the UNet's tiles, in latent pixels.
        latent_overlap: Their overlap.
    """

    rule: Literal["eq1", "residual"] = "eq1"
    timestep: int = 999
    colour: ColourMethod = "adain"
    seed: int = 231
    process_size: int = 512
    latent_tile: int = 96
    latent_overlap: int = 32


@dataclass(frozen=True)
class OneStep:
    """A restorer of one step.

    Attributes:
        name: Name of the restorer.
        vae: Stable Diffusion's autoencoder, with LoRA or without.
        predict: Evaluates the UNet.
        networks: All networks, by name.
        prompts: Makes the prompt's embeddings.
        settings: See `Settings`.
        latent_scaling: Factor of Stable Diffusion's latents.
        about: Further entries of the fingerprint.
    """

    name: str
    vae: nn.Module
    predict: Predict
    networks: Mapping[str, nn.Module]
    prompts: Prompts
    settings: Settings
    latent_scaling: float
    about: Mapping[str, str] = field(default_factory=dict)
    scale = 4
    tiles_itself = True
    matches_colours = True

    @property
    def fingerprint(self) -> dict[str, str]:
        """Everything but the weights that decides the result."""
        settings = {name: str(value) for name, value in vars(self.settings).items()}
        precision = str(next(self.networks["unet"].parameters()).dtype).removeprefix("torch.")
        own = {"system": self.name, **settings, "precision": precision}
        return {**own, **self.prompts.fingerprint, **self.about}

    @torch.no_grad()
    def __call__(self, lr: Tensor) -> Tensor:
        """Restores `[b, 3, h, w]`, image by image; returns `[b, 3, 4h, 4w]`, in [0, 1].

        An image with a side below 128 pixels is restored at a larger size, and resized back.
        """
        size = self.scale * lr.shape[2], self.scale * lr.shape[3]
        restored = []
        for image in lr[:, None]:
            sr = self.restore(image, seeded(self.settings.seed, lr.device))
            restored.append(sr if sr.shape[2:] == size else resize(sr, size))
        return torch.cat(restored)

    def restore(self, lr: Tensor, noise: Noise) -> Tensor:
        """Restores one image as its authors do.

        Args:
            lr: `[1, 3, h, w]`, in [0, 1].
            noise: Is drawn once, for the encoder's posterior.

        Returns:
            The restored image, 8-bit; its sides are at least `process_size`, and multiples of 8.
        """
        source = enlarge(rounded(lr), self.scale, self.settings.process_size, "lanczos")
        prompt, _ = self.prompts.describe(source)
        text = self.prompts.encode(prompt)
        latent = self.encode(source * 2 - 1, noise)
        image = self.decode(self.step(latent, text))
        return with_colours_of(truncated(image), source, self.settings.colour)

    def step(self, latent: Tensor, text: Tensor) -> Tensor:
        """Removes what is wrong with a latent, `[1, 4, h, w]`, in one evaluation."""
        settings = self.settings
        timestep = torch.tensor(settings.timestep, device=latent.device)
        height, width = latent.shape[2:]
        boxes = grid_by_stride(height, width, settings.latent_tile, settings.latent_overlap)

        def predict(box: Box) -> Tensor:
            tile = box.crop(latent).to(text.dtype)
            return self.predict(tile, timestep, text).float()

        found = blended(boxes, predict)
        if settings.rule == "residual":
            return latent - found
        return x0(latent, found, float(alphas_cumprod()[settings.timestep]))

    def to(self, device: torch.device) -> OneStep:
        """Moves the networks to a device."""
        for network in self.networks.values():
            nn.Module.to(network, device)  # diffusers' own method warns about float16 on a CPU
        return self

    def encode(self, image: Tensor, noise: Noise) -> Tensor:
        """Draws a latent from the posterior of an image, `[1, 3, h, w]` in [-1, 1]."""
        precision = next(self.vae.parameters()).dtype
        moments = vae_tiles.encode_moments(self.vae, image.to(precision))
        return from_posterior(moments, noise) * self.latent_scaling

    def decode(self, latent: Tensor) -> Tensor:
        """Decodes a latent; returns `[1, 3, h, w]` in [0, 1]."""
        precision = next(self.vae.parameters()).dtype
        image = vae_tiles.decode(self.vae, (latent / self.latent_scaling).to(precision))
        return image.float().clamp(-1, 1) * 0.5 + 0.5


class Adjustable(OneStep):
    """A restorer of one step that subtracts a residual, of which it may subtract a part."""

    def with_strength(self, strength: float) -> Adjustable:
        """The same networks, subtracting this part of the residual."""

        def predict(latent: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
            return strength * self.predict(latent, timestep, text)

        return replace(self, predict=predict, about={**self.about, "strength": str(strength)})
