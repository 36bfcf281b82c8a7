"""DiffBIR v2 as in its paper.

Source: X. Lin et al., DiffBIR: Toward Blind Image Restoration with Generative Diffusion Prior,
2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from toolkit.restoring.colour import ColourMethod, match_colour
from toolkit_peers import vae_tiles
from toolkit_peers.ancestral import (
    Schedule,
    add_noise,
    denoise,
    even,
    guided,
    rescaled_guidance,
)
from toolkit_peers.diffbir.bsrnet import SCALE, cleaned
from toolkit_peers.diffbir.controlnet import predict_noise
from toolkit_peers.diffbir.sizes import padded, resized, with_short_edge
from toolkit_peers.images import truncated
from toolkit_peers.latent_tiles import Box, blended, sliding
from toolkit_peers.noise import Noise, seeded
from toolkit_peers.text import TextEncoder

_FACTOR = 8
"""Pixels per latent pixel, on a side."""
_MULTIPLE = 8
"""Of a latent's sides that are not tiled: the UNet halves them three times."""
_WHOLE_PIXELS = 2048 * 2048
"""Size of a result up to which there are no tiles by default."""
_TILE = 64
"""Side of the tiles beyond, in latent pixels, as in the authors' program."""


@dataclass(frozen=True)
class Networks:
    """The networks, frozen."""

    bsrnet: nn.Module
    controlnet: Any
    unet: Any
    vae: Any
    text: TextEncoder
    latent_scaling: float


@dataclass(frozen=True)
class Settings:
    """What decides the result beside weights.

    Attributes:
        prompt: Words to follow.
        negative: Words to avoid.
        steps: Number of denoising steps.
        guidance: Scale of classifier-free guidance; with 1, `negative` is not used.
        rescaled: Whether guidance rises from 1 while sampling.
        start: What sampling starts from: noise, or the noised condition.
        tile: Side of tiles in latent pixels, a multiple of 8; 0 for none; None for none unless the
            image is large.
        colour: Method that matches colours to the cleaned image.
        seed: Start of the noise of each image.
        floor: Smallest side in pixels at which images are restored.
    """

    prompt: str
    negative: str
    steps: int = 50
    guidance: float = 4.0
    rescaled: bool = False
    start: Literal["noise", "cond"] = "noise"
    tile: int | None = None
    colour: ColourMethod = "wavelet"
    seed: int = 231
    floor: int = 512


class DiffBIR:
    """A `Restorer`: BSRNet cleans and enlarges, Stable Diffusion adds details.

    Args:
        networks: The networks.
        settings: Everything else.
    """

    name = "diffbir"
    scale = SCALE
    tiles_itself = True
    matches_colours = True

    def __init__(self, networks: Networks, settings: Settings) -> None:
        self._networks, self._settings = networks, settings

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """All networks by name."""
        own = self._networks
        return {
            "bsrnet": own.bsrnet,
            "controlnet": own.controlnet,
            "unet": own.unet,
            "vae": own.vae,
            "text_encoder": own.text.network,
        }

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """What decides the result beside weights."""
        settings = {name: str(value) for name, value in vars(self._settings).items()}
        precision = str(self._networks.unet.dtype).removeprefix("torch.")
        return {"system": "DiffBIR v2", **settings, "precision": precision}

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self._settings.steps

    def with_steps(self, steps: int) -> DiffBIR:
        """Restores with the same networks in another number of steps."""
        return DiffBIR(self._networks, replace(self._settings, steps=steps))

    def to(self, device: torch.device) -> DiffBIR:
        """Moves the networks to a device."""
        for network in self.networks.values():
            nn.Module.to(network, device)  # diffusers' override warns of float16 on processors
        return self

    def __call__(self, lr: Tensor) -> Tensor:
        """Restores images one by one, each with the same noise.

        Args:
            lr: `[b, 3, h, w]` in [0, 1].

        Returns:
            `[b, 3, 4h, 4w]` in [0, 1], truncated to 8 bits.
        """
        seed = self._settings.seed
        return torch.cat([self.restore(each, seeded(seed, lr.device)) for each in lr[:, None]])

    @torch.no_grad()
    def restore(self, lr: Tensor, noise: Noise) -> Tensor:
        """Restores one image, `[1, 3, h, w]`, with noise drawn at the start and in each step."""
        if self._settings.tile is None:
            tile = _TILE if lr.shape[2] * lr.shape[3] * SCALE**2 > _WHOLE_PIXELS else 0
            chosen = replace(self._settings, tile=tile)
            return DiffBIR(self._networks, chosen).restore(lr, noise)
        clean = self.clean(lr)
        sr = self.enhance(clean, noise)
        sr = match_colour(sr, clean, self._settings.colour, clamp=False)
        return truncated(resized(sr, _enlarged(lr)))

    @torch.no_grad()
    def clean(self, lr: Tensor) -> Tensor:
        """Stage 1: removes degradations, and enlarges by 4 or at least to the floor."""
        size, floor = _enlarged(lr), self._settings.floor
        if min(size) < floor:
            size = with_short_edge(size, floor)
        tiles = {} if self._settings.tile else {"tile": 0}
        return resized(cleaned(self._networks.bsrnet, lr, **tiles), size)

    @torch.no_grad()
    def enhance(self, clean: Tensor, noise: Noise) -> Tensor:
        """Stage 2: adds details to an image, `[1, 3, h, w]`; not clamped."""
        height, width = clean.shape[2:]
        multiple = _FACTOR if self._settings.tile else _FACTOR * _MULTIPLE
        latent = self._sample(self.encode(padded(clean, multiple)), noise)
        return self.decode(latent)[..., :height, :width]

    def encode(self, image: Tensor) -> Tensor:
        """The condition of an image in [0, 1] with sides in multiples of 8: its mean latent."""
        vae, scaling = self._networks.vae, self._networks.latent_scaling
        image = (2 * image - 1).to(vae.dtype)
        if self._settings.tile:
            moments = vae_tiles.encode_moments(vae, image)
        else:
            moments = vae.quant_conv(vae.encoder(image))
        mean: Tensor = moments.chunk(2, dim=1)[0]
        return mean.float() * scaling

    def decode(self, latent: Tensor) -> Tensor:
        """The image of a latent, about [0, 1]."""
        vae, scaling = self._networks.vae, self._networks.latent_scaling
        latent = (latent / scaling).to(vae.dtype)
        if self._settings.tile:
            image = vae_tiles.decode(vae, latent)
        else:
            image = vae.decode(latent, return_dict=False)[0]
        return (image.float() + 1) / 2

    def _sample(self, condition: Tensor, noise: Noise) -> Tensor:
        settings, (height, width) = self._settings, condition.shape[2:]
        boxes = sliding(height, width, settings.tile, settings.tile // 2) if settings.tile else []
        if len(boxes) <= 1:
            condition = padded(condition, _MULTIPLE)
            boxes = [Box(0, condition.shape[2], 0, condition.shape[3])]
        schedule = even(settings.steps)
        start = self._start(condition, schedule, noise)
        contexts = self._contexts()

        def predict(noisy: Tensor, timestep: int) -> Tensor:
            # A pass for each prompt, in the memory of one.
            passes = [self._predict(noisy, condition, timestep, boxes, each) for each in contexts]
            return self._guided(passes, timestep)

        return denoise(start, schedule, predict, noise)[..., :height, :width]

    def _start(self, condition: Tensor, schedule: Schedule, noise: Noise) -> Tensor:
        drawn = noise(condition.shape)
        if self._settings.start == "noise":
            return drawn
        return add_noise(condition, drawn, schedule.alphas[0])

    def _contexts(self) -> list[Tensor]:
        """Embeddings of the prompt and, if guided, of the negative one."""
        settings = self._settings
        negative = [] if settings.guidance == 1 else [settings.negative]
        return list(self._networks.text(settings.prompt, *negative)[:, None])

    def _guided(self, passes: list[Tensor], timestep: int) -> Tensor:
        if len(passes) == 1:
            return passes[0]
        scale = self._settings.guidance
        if self._settings.rescaled:
            scale = rescaled_guidance(scale, timestep)
        positive, negative = passes
        return guided(positive, negative, scale)

    def _predict(
        self, noisy: Tensor, condition: Tensor, timestep: int, boxes: list[Box], context: Tensor
    ) -> Tensor:
        unet, controlnet = self._networks.unet, self._networks.controlnet
        timesteps = torch.tensor([timestep], device=noisy.device)

        def predict(box: Box) -> Tensor:
            parts = box.crop(noisy), box.crop(condition)
            return predict_noise(unet, controlnet, *parts, timesteps, context)

        return blended(boxes, predict)


def _enlarged(lr: Tensor) -> tuple[int, int]:
    return SCALE * lr.shape[2], SCALE * lr.shape[3]
