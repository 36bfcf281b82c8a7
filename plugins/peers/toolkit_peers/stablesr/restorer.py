"""StableSR as a restorer.

Source: J. Wang et al., Exploiting Diffusion Prior for Real-World Image Super-Resolution, 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from toolkit.plugin import ImageError
from toolkit.restoring.colour import ColourMethod, match_colour
from toolkit_peers.ancestral import (
    TRAIN_TIMESTEPS,
    add_noise,
    alphas_cumprod,
    denoise,
    even,
)
from toolkit_peers.images import truncated
from toolkit_peers.latent_tiles import Box, blended
from toolkit_peers.noise import Noise, from_posterior, seeded
from toolkit_peers.stablesr import fusion, sizes
from toolkit_peers.stablesr.networks import Networks

Program = Literal["tiled", "crop"]
_FUSION_WEIGHT = 0.5
_PROMPT = ""


@dataclass(frozen=True)
class Settings:
    """What decides the result beside weights.

    Attributes:
        program: Which of the authors' programs is followed.
        compatible: Whether its defects are reproduced, too.
        steps: Number of steps.
        colour: Method that matches colours to the enlarged LR image.
        seed: Start of the noise of each image, and of each of its tiles.
        latent_tile: Side of the networks' tiles in latent pixels, a multiple of 8.
        latent_overlap: Their overlap in latent pixels.
        image_tile: Side of the image's tiles in pixels of the result, a multiple of 32.
        image_overlap: Their overlap in pixels of the result.
        floor: Smallest side in pixels at which images are restored.
    """

    program: Program = "tiled"
    compatible: bool = False
    steps: int = 200
    colour: ColourMethod = "adain"
    seed: int = 42
    latent_tile: int = 64
    latent_overlap: int = 32
    image_tile: int = 1280
    image_overlap: int = 280
    floor: int = 512


class StableSR:
    """A `Restorer`: Stable Diffusion, modulated by features of the LR image.

    Args:
        networks: The networks; `vae` is not needed for the program "crop".
        settings: Everything else.
    """

    name = "stablesr"
    scale = sizes.SCALE
    tiles_itself = True
    matches_colours = True

    def __init__(self, networks: Networks, settings: Settings) -> None:
        self._networks, self._settings = networks, settings
        self._prompt: Tensor | None = None

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """All networks by name."""
        return self._networks.by_name

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """What decides the result beside weights."""
        settings = {name: str(value) for name, value in vars(self._settings).items()}
        precision = str(self._networks.unet.dtype).removeprefix("torch.")
        return {"system": "StableSR", "prompt": _PROMPT, **settings, "precision": precision}

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self._settings.steps

    def with_steps(self, steps: int) -> StableSR:
        """Restores with the same networks in another number of steps."""
        return StableSR(self._networks, replace(self._settings, steps=steps))

    def to(self, device: torch.device) -> StableSR:
        """Moves the networks to a device."""
        for network in self.networks.values():
            nn.Module.to(network, device)  # diffusers' override warns of float16 on processors
        self._prompt = None
        return self

    def __call__(self, lr: Tensor) -> Tensor:
        """Restores images one by one, each with the same noise.

        Args:
            lr: `[b, 3, h, w]` in [0, 1].

        Returns:
            `[b, 3, 4h, 4w]` in [0, 1]; with `compatible`, of the size that the authors' program
            gives, truncated to 8 bits.

        Raises:
            ImageError: The program "crop" cannot restore images of that size.
        """
        device = self._networks.unet.device

        def start() -> Noise:
            return seeded(self._settings.seed, device)

        images = lr.to(device, torch.float32)[:, None]
        return torch.cat([self.restore(image, start) for image in images]).to(lr.device)

    @torch.no_grad()
    def restore(self, lr: Tensor, start: Callable[[], Noise]) -> Tensor:
        """Restores one image.

        Args:
            lr: `[1, 3, h, w]` in [0, 1], on the networks' device.
            start: Starts the noise anew, for each tile of the image. It is drawn for the LR image's
                latent, once more (twice in the program "crop", which uses the second alone), and
                once per step.
        """
        settings, crops = self._settings, self._settings.program == "crop"
        sr = self.crop(lr, start()) if crops else self._cut(self.whole(lr, start), lr)
        sr = (sr / 2 + 0.5).clamp(0, 1)
        return truncated(sr) if settings.compatible else sr

    def whole(self, lr: Tensor, start: Callable[[], Noise]) -> Tensor:
        """The program for any size: the enlarged, padded image in [-1, 1], restored."""
        settings = self._settings
        image = sizes.padded(sizes.enlarged(2 * lr - 1, settings.floor))
        height, width = image.shape[2:]
        boxes = sizes.image_boxes(height, width, settings.image_tile, settings.image_overlap)
        sr = blended(boxes, lambda box: self._restored(box.crop(image), start()))
        if not settings.compatible:
            # The authors match every tile by itself, so that its colours may end at its border.
            sr = self._matched(sr, image)
        return sr.clamp(-1, 1)

    def crop(self, lr: Tensor, noise: Noise) -> Tensor:
        """The program for crops of 128x128: a square in [-1, 1] with the side `floor`."""
        settings, (height, width) = self._settings, lr.shape[2:]
        side = settings.floor // self.scale
        small = min(height, width) < side and settings.compatible
        if small or not (settings.compatible or height == width == side):
            raise ImageError(
                f"StableSR's program 'crop' restores {side}x{side} pixels, not {width}x{height}",
                "Use program='tiled', which takes any size",
            )
        image = sizes.centred(lr, settings.floor)
        moments, encoded = fusion.encode(self._networks.fusion, self._typed(image))
        latent = self._drawn(moments, noise)
        noise(latent.shape)  # the authors draw a start in vain
        sampled = self._sampled(noise(latent.shape), latent, noise)
        return self._matched(self._decoded(sampled, encoded), image)

    def _cut(self, sr: Tensor, lr: Tensor) -> Tensor:
        cut = sizes.cut_as_published if self._settings.compatible else sizes.cut
        height, width = lr.shape[2:]
        return cut(sr, height, width, self._settings.floor)

    def _restored(self, image: Tensor, noise: Noise) -> Tensor:
        """Restores one tile of the enlarged image."""
        vae = self._networks.vae
        latent = self._drawn(vae.quant_conv(vae.encoder(self._typed(image))), noise)
        alpha = alphas_cumprod(torch.float64)[TRAIN_TIMESTEPS - 1].item()
        noisy = add_noise(latent, noise(latent.shape), alpha)
        sampled = self._sampled(noisy, latent, noise)
        _, encoded = fusion.encode(self._networks.fusion, self._typed(image))
        decoded = self._decoded(sampled, encoded)
        return self._matched(decoded, image) if self._settings.compatible else decoded

    def _drawn(self, moments: Tensor, noise: Noise) -> Tensor:
        """Draws a scaled latent of the LR image."""
        return from_posterior(moments, noise) * self._networks.latent_scaling

    def _sampled(self, noisy: Tensor, latent: Tensor, noise: Noise) -> Tensor:
        settings, networks = self._settings, self._networks
        height, width = latent.shape[2:]
        boxes = sizes.latent_boxes(height, width, settings.latent_tile, settings.latent_overlap)
        text = self._text()

        def predict(sample: Tensor, timestep: int) -> Tensor:
            def within(box: Box) -> Tensor:
                parts = box.crop(sample), box.crop(latent)
                return networks.predict_noise(*parts, timestep, text)

            return blended(boxes, within)

        return denoise(noisy, even(settings.steps, torch.float32), predict, noise)

    def _decoded(self, latent: Tensor, encoded: fusion.Encoded) -> Tensor:
        networks = self._networks
        unscaled = self._typed(latent / networks.latent_scaling)
        return fusion.decode(networks.fusion, unscaled, encoded, _FUSION_WEIGHT).float()

    def _matched(self, sr: Tensor, image: Tensor) -> Tensor:
        return match_colour(sr, image, self._settings.colour, clamp=False)

    def _typed(self, image: Tensor) -> Tensor:
        return image.to(self._networks.fusion.dtype)

    def _text(self) -> Tensor:
        """Embedding of the empty prompt, `[1, 77, width]`."""
        if self._prompt is None:
            self._prompt = self._networks.text(_PROMPT)
        return self._prompt
