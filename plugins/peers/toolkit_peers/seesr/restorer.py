"""SeeSR as a restorer.

Source: Wu et al., SeeSR: Towards Semantics-Aware Real-World Image Super-Resolution, 2024.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from toolkit.restoring.colour import ColourMethod
from toolkit_peers.ancestral import denoise, leading
from toolkit_peers.images import enlarge, resize, rounded, with_colours_of
from toolkit_peers.latent_tiles import grid_by_stride
from toolkit_peers.making import freeze
from toolkit_peers.noise import Noise, seeded
from toolkit_peers.prompts import Prompts
from toolkit_peers.seesr.networks import TOKEN_WIDTH, ControlledUNet
from toolkit_peers.seesr.sampling import FACTOR, NoisePredictor, start
from toolkit_peers.vae_tiles import decode, encode_moments

BLANK_TOKENS = 145
"""How many image tokens there are without a tagger: as many as it would give."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How SeeSR restores.

    Attributes:
        steps: Number of steps, at most 999.
        guidance: Scale of guidance; up to 1, there is none.
        negative_prompt: What guidance leads away from.
        colour: Method that matches the colours of the result to the LR image.
        seed: Start of the noise.
        latent_tile: Side of the UNet's tiles in latent pixels.
        latent_overlap: Their overlap in latent pixels.
        process_size: Smallest side at which images are restored, in pixels.
    """

    steps: int = 50
    guidance: float = 5.5
    negative_prompt: str
    colour: ColourMethod = "adain"
    seed: int = 231
    latent_tile: int = 96
    latent_overlap: int = 4
    process_size: int = 512

    @property
    def guides(self) -> bool:
        """Whether there is guidance."""
        return self.guidance > 1


class SeeSR:
    """Restores images by SeeSR, exactly as its authors' script.

    Args:
        network: Predicts noise.
        vae: Stable Diffusion 2's autoencoder, diffusers' `AutoencoderKL`; is frozen.
        prompts: Describes images. Without a tagger, there are no image tokens either: zeros take
            their place, so that attention to the image adds the same at every pixel.
        scaling: Scales latents to about unit variance.
        settings: How it restores.
    """

    name = "seesr"
    scale = 4
    tiles_itself = True
    matches_colours = True

    def __init__(
        self,
        network: ControlledUNet,
        vae: Any,
        prompts: Prompts,
        scaling: float,
        settings: Settings,
    ) -> None:
        freeze(vae)
        self._network, self._vae, self._prompts = network, vae, prompts
        self._scaling, self._settings = scaling, settings

    @property
    def networks(self) -> dict[str, nn.Module]:
        """All networks by name."""
        controlled = {"unet": self._network.unet, "controlnet": self._network.controlnet}
        return {**controlled, "vae": self._vae, **self._prompts.networks}

    @property
    def fingerprint(self) -> dict[str, str]:
        """Everything that decides the result beside the weights."""
        settings, prompts = self._settings, self._prompts
        guided = {"guidance": f"{settings.guidance:g}", "negative_prompt": settings.negative_prompt}
        tagged = "tagger" in prompts.networks
        return {
            "system": "SeeSR",
            "steps": str(settings.steps),
            **(guided if settings.guides else {"guidance": "none"}),
            **prompts.fingerprint,
            "image_tokens": "RAM with DAPE" if tagged else "none; zeros",
            "colour": settings.colour,
            "seed": str(settings.seed),
            "latent_tiles": f"{settings.latent_tile}, overlap {settings.latent_overlap}",
            "precision": str(self._weight.dtype).removeprefix("torch."),
        }

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self._settings.steps

    def with_steps(self, steps: int) -> SeeSR:
        """Restores with the same networks in another number of steps."""
        settings = replace(self._settings, steps=steps)
        return SeeSR(self._network, self._vae, self._prompts, self._scaling, settings)

    def to(self, device: torch.device) -> Self:
        """Moves the networks to a device."""
        for network in (self._network.unet, self._network.controlnet, self._vae):
            nn.Module.to(network, device)
        self._prompts.to(device)
        return self

    def __call__(self, lr: Tensor) -> Tensor:
        """Restores `[b, 3, h, w]` to `[b, 3, 4h, 4w]`, in [0, 1], each with the same noise."""
        settings, device = self._settings, self._weight.device
        images = torch.split(lr.to(device, torch.float32), 1)
        restored = [self.restore(image, seeded(settings.seed, device)) for image in images]
        return torch.cat(restored).to(lr.device)

    @torch.no_grad()
    def restore(self, lr: Tensor, noise: Noise) -> Tensor:
        """Restores one image.

        Args:
            lr: `[1, 3, h, w]` in [0, 1], on the networks' device.
            noise: Is drawn for the start, for the latent of the LR image, and once per step.

        Returns:
            8-bit image `[1, 3, 4h, 4w]` in [0, 1].
        """
        settings, lr = self._settings, rounded(lr)
        enlarged = enlarge(lr, self.scale, settings.process_size)
        latent = self._sample(enlarged, *self._conditions(lr), noise)
        decoded = decode(self._vae, (latent / self._scaling).to(self._vae.dtype))
        sr = with_colours_of(rounded(decoded.float() / 2 + 0.5), enlarged, settings.colour)
        height, width = lr.shape[2:]
        return resize(sr, (self.scale * height, self.scale * width))

    def _conditions(self, lr: Tensor) -> tuple[Tensor, Tensor]:
        """Text embeddings `[n, 77, d]` and image tokens `[1, T, 512]` of an image."""
        prompt, tagged = self._prompts.describe(lr)
        tokens = tagged.tokens if tagged else lr.new_zeros(1, BLANK_TOKENS, TOKEN_WIDTH)
        negative = [self._settings.negative_prompt] if self._settings.guides else []
        return self._prompts.encode(*negative, prompt), tokens

    def _sample(self, image: Tensor, text: Tensor, tokens: Tensor, noise: Noise) -> Tensor:
        """Samples the latent, `[1, 4, h / 8, w / 8]`, of an enlarged image."""
        settings = self._settings
        moments = encode_moments(self._vae, (image * 2 - 1).to(self._vae.dtype))
        sides = image.shape[2] // FACTOR, image.shape[3] // FACTOR
        boxes = grid_by_stride(*sides, settings.latent_tile, settings.latent_overlap)
        predictor = NoisePredictor(self._network, text, tokens, image, settings.guidance, boxes)
        started = start(moments, self._scaling, len(text), noise)
        return denoise(started, leading(settings.steps), predictor, noise)

    @property
    def _weight(self) -> nn.Parameter:
        weight: nn.Parameter = next(self._network.unet.parameters())
        return weight
