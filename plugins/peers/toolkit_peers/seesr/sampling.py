"""How SeeSR samples a latent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from toolkit_peers.ancestral import TRAIN_TIMESTEPS, add_noise, alphas_cumprod, guided
from toolkit_peers.latent_tiles import Box, blended
from toolkit_peers.noise import Noise, from_posterior

FACTOR = 8
"""Image pixels per latent pixel along each side."""
Network = Callable[[Tensor, int, Tensor, Tensor, Tensor], Tensor]
"""Returns ε of a sample, timestep, text, image tokens and hint: see `ControlledUNet`."""


@dataclass(frozen=True)
class NoisePredictor:
    """Predicts the noise in the latent of an image: tile by tile, with guidance.

    Attributes:
        network: Predicts the noise in a tile.
        text: Embeddings of the negative prompt and the prompt, `[2, 77, d]`; of the prompt alone,
            `[1, 77, d]`, without guidance.
        tokens: Image tokens, `[1, T, 512]`.
        hint: Enlarged LR image, `[1, 3, 8h, 8w]` in [0, 1].
        guidance: Scale of guidance.
        boxes: Tiles of the latent.
    """

    network: Network
    text: Tensor
    tokens: Tensor
    hint: Tensor
    guidance: float
    boxes: Sequence[Box]

    def __call__(self, sample: Tensor, timestep: int) -> Tensor:
        """Returns ε in a latent `[1, 4, h, w]` at a timestep."""
        count = len(self.text)
        samples, tokens, hints = (
            x.expand(count, *x.shape[1:]) for x in (sample, self.tokens, self.hint)
        )

        def predict(box: Box) -> Tensor:
            hint = box.crop(hints, FACTOR)
            return self.network(box.crop(samples), timestep, self.text, tokens, hint)

        eps = blended(self.boxes, predict)
        return eps if count == 1 else guided(eps[1:], eps[:1], self.guidance)


def start(moments: Tensor, scaling: float, copies: int, noise: Noise) -> Tensor:
    """Draws a latent of the LR image and noises it to the last timestep.

    Args:
        moments: Mean and log-variance of the unscaled latent, `[1, 8, h, w]`.
        scaling: Scales latents to about unit variance.
        copies: The authors' latent has as many as there are prompts, with noise for each, of
            which the first is used.
        noise: Is drawn twice: for the timestep, then for the latent.
    """
    batch, channels, *sides = moments.shape
    started = noise((batch, channels // 2, *sides))
    latent = from_posterior(moments, lambda shape: noise((copies, *shape[1:]))[:1])
    alpha = alphas_cumprod()[TRAIN_TIMESTEPS - 1].item()
    return add_noise(latent * scaling, started, alpha)
