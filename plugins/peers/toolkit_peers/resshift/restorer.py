"""ResShift and SinSR as in their papers.

Source: Z. Yue et al., ResShift: Efficient Diffusion Model for Image Super-resolution by Residual
Shifting, 2023; Y. Wang et al., SinSR: Diffusion-Based Image Super-Resolution in a Single Step,
2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from toolkit.restoring.colour import ColourMethod, match_colour
from toolkit_peers.images import rounded
from toolkit_peers.latent_tiles import Box, blended, covering, gaussian
from toolkit_peers.noise import Noise, seeded
from toolkit_peers.resshift.schedule import Schedule, sample

SCALE = 4
SCHEDULE = Schedule()


class Autoencodes(Protocol):
    """Encodes images to latents and decodes them, as `Autoencoder` does."""

    network: Any

    def encode(self, image: Tensor) -> Tensor:
        """The latent of an image in [-1, 1]."""
        ...

    def decode(self, latent: Tensor) -> Tensor:
        """The image of a latent, about [-1, 1]."""
        ...


@dataclass(frozen=True)
class Networks:
    """The networks, frozen."""

    unet: Any
    autoencoder: Autoencodes


@dataclass(frozen=True)
class Settings:
    """What decides the result beside weights.

    Attributes:
        system: Name of the system.
        version: Which of its published weights.
        steps: Number of steps, at most the schedule's.
        tile: Side of tiles in LR pixels; 0 for none.
        overlap: Overlap of tiles in LR pixels, less than their side.
        colour: Method that matches colours to the LR image.
        seed: Start of the noise of each image.
        compatible: Whether overlapping tiles are averaged as in the authors' programs, which may
            show at their borders; else they fade into each other.
    """

    system: str = "ResShift"
    version: str = "v1"
    steps: int = 15
    tile: int = 512
    overlap: int = 64
    colour: ColourMethod = "none"
    seed: int = 12345
    compatible: bool = False


class ResShift:
    """A `Restorer`: shifts the latent of the LR image to that of the HR image.

    SinSR is the same in one step, with weights of its own.

    Args:
        networks: The networks.
        settings: Everything else.
    """

    scale = SCALE
    tiles_itself = True
    matches_colours = True

    def __init__(self, networks: Networks, settings: Settings) -> None:
        self._networks, self._settings = networks, settings

    @property
    def name(self) -> str:
        """The system's name."""
        return self._settings.system.lower()

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """All networks by name."""
        return {"unet": self._networks.unet, "vae": self._networks.autoencoder.network}

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """What decides the result beside weights."""
        settings = {name: str(value) for name, value in vars(self._settings).items()}
        precision = str(self._networks.autoencoder.network.dtype).removeprefix("torch.")
        return {**settings, "precision": precision}

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self._settings.steps

    def with_steps(self, steps: int) -> ResShift:
        """Restores with the same networks in another number of steps."""
        return ResShift(self._networks, replace(self._settings, steps=steps))

    def to(self, device: torch.device) -> ResShift:
        """Moves the networks to a device."""
        for network in self.networks.values():
            nn.Module.to(network, device)  # diffusers' override warns of float16 on processors
        return self

    def __call__(self, lr: Tensor) -> Tensor:
        """Restores images one by one, each with the same noise.

        Args:
            lr: `[b, 3, h, w]` in [0, 1].

        Returns:
            `[b, 3, 4h, 4w]` in [0, 1], rounded to 8 bits.
        """
        seed = self._settings.seed
        return torch.cat([self.restore(each, seeded(seed, lr.device)) for each in lr[:, None]])

    @torch.no_grad()
    def restore(self, lr: Tensor, noise: Noise) -> Tensor:
        """Restores one image, `[1, 3, h, w]`; each tile draws its own noise, at every step."""
        return rounded(match_colour(self.enhance(lr, noise), lr, self._settings.colour))

    @torch.no_grad()
    def enhance(self, lr: Tensor, noise: Noise) -> Tensor:
        """The same before its colours are matched, and not rounded: `[1, 3, 4h, 4w]` in [0, 1].

        Where tiles overlap, the result is their weighted mean.
        """
        boxes = tiles(lr.shape[2], lr.shape[3], self._settings.tile, self._settings.overlap)
        signed = (lr - 0.5) / 0.5
        weigh = torch.ones if self._settings.compatible else gaussian
        sr = blended(boxes, lambda box: self._restored(box.crop(signed), noise), SCALE, weigh)
        return (sr * 0.5 + 0.5).clamp(0, 1)

    def _restored(self, lr: Tensor, noise: Noise) -> Tensor:
        """Restores a tile in [-1, 1]."""
        height, width = lr.shape[2:]
        latent = self.sample(reflected(lr, self._networks.unet.sizes.multiple), noise)
        sr = self._networks.autoencoder.decode(latent)
        return sr[..., : SCALE * height, : SCALE * width].clamp(-1, 1)

    @torch.no_grad()
    def sample(self, lr: Tensor, noise: Noise) -> Tensor:
        """The latent of the HR image.

        Args:
            lr: `[1, 3, h, w]` in [-1, 1], with sides that the U-Net takes.
            noise: Draws noise.

        Returns:
            `[1, 3, h, w]`.
        """
        large = functional.interpolate(lr, scale_factor=float(SCALE), mode="bicubic")
        latent = self._networks.autoencoder.encode(large)

        def predict(scaled: Tensor, timestep: int) -> Tensor:
            timesteps = torch.full((1,), timestep, device=lr.device)
            estimate: Tensor = self._networks.unet(scaled, timesteps, lr)
            return estimate

        *_, latent = sample(SCHEDULE, self._settings.steps, latent, predict, noise)
        return latent


def tiles(height: int, width: int, size: int, overlap: int) -> list[Box]:
    """Tiles of a side, or of the image's where that is shorter, row by row; one if `size` is 0.

    Example:
        >>> tiles(8, 20, size=12, overlap=4)
        [Box(top=0, bottom=8, left=0, right=12), Box(top=0, bottom=8, left=8, right=20)]
    """
    tall, wide = (min(size or length, length) for length in (height, width))
    rows = covering(height, tall, size - overlap) if size else [0]
    columns = covering(width, wide, size - overlap) if size else [0]
    return [Box(top, top + tall, left, left + wide) for top in rows for left in columns]


def reflected(image: Tensor, multiple: int) -> Tensor:
    """Continues an image to the right and below by reflection, to sides in multiples of a number.

    The edge itself is not repeated. Images that are shorter than what is added, for which the
    authors' program has an error, are reflected to and fro.

    Example:
        >>> reflected(torch.arange(3.0).expand(1, 1, 8, 3), 8)[0, 0, 0].tolist()
        [0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0, 1.0]
    """
    for axis in (2, 3):
        length = image.shape[axis]
        places = torch.arange(length + -length % multiple, device=image.device)
        period = max(2 * (length - 1), 1)
        places = places % period
        image = image.index_select(axis, torch.minimum(places, period - places) % length)
    return image
