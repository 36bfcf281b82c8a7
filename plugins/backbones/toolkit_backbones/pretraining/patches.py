"""A patch discriminator for the end of the autoencoder's training."""

from __future__ import annotations

from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """A PatchGAN discriminator with a receptive field of 22 px (Isola et al., 2017).

    Args:
        width: Channels of the first convolution.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.GroupNorm(8, 2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 3, padding=1),
            nn.GroupNorm(8, 4 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 3, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, `[b, 1, h/4, w/4]`, of images `[b, 3, h, w]`, in about [-1, 1]."""
        logits: Tensor = self.layers(images)
        return logits
