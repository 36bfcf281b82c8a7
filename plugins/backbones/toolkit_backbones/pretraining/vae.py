"""Pretrains the autoencoder: by L1 alone at first, then by L1 and LPIPS."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional as F

import toolkit
from toolkit.streams import torch_stream
from toolkit.weights import write_atomically
from toolkit_backbones.plugin import POCKET
from toolkit_backbones.pretraining.crops import Crops, load_photos
from toolkit_backbones.pretraining.stretch import Stretch, arguments, fit, write_half

_RATE = 8e-4
_PERCEPTUAL, _KL = 0.5, 1e-6
_LOG_VARIANCE = -8.0
_PERCEPTUAL_FROM = 0.5
"""Share of the work after which LPIPS joins in; VGG16 is most of a step's cost."""


def main() -> None:
    """Trains, then writes the averaged weights with their latent scaling."""
    args = arguments(__doc__ or "", steps=12_000, batch=8, size=64)
    stretch = Stretch("vae", args)
    vae = AutoencoderKL.from_config(json.loads((POCKET / "vae" / "config.json").read_text()))
    quieten(vae)
    vae.to(stretch.device)
    lpips = toolkit.make("loss", "lpips").to(stretch.device)
    crops = Crops(load_photos(args.photos), args.size, stretch.device)
    fit(
        stretch,
        vae,
        _RATE,
        lambda: losses(stretch, vae, lpips, crops.batch(args.seed, stretch.step, args.batch)),
        {"l1": 1.0, "kl": _KL, "lpips": _PERCEPTUAL},
    )
    publish(vae.eval(), crops, args.out)


@torch.no_grad()
def quieten(vae: AutoencoderKL) -> None:
    """Starts the posterior with little noise, so that the decoder sees the image from the first."""
    channels = vae.config.latent_channels
    vae.encoder.conv_out.weight[channels:] = 0.0
    vae.encoder.conv_out.bias[channels:] = _LOG_VARIANCE


def losses(
    stretch: Stretch, vae: AutoencoderKL, lpips: nn.Module, images: Tensor
) -> dict[str, Tensor]:
    """What is to become small, for images `[b, 3, h, w]` in [-1, 1]."""
    rng = torch_stream(stretch.args.seed, "posterior", stretch.step, device=stretch.device)
    with torch.autocast(stretch.device.type, torch.bfloat16):
        posterior = vae.encode(images).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=rng, device=stretch.device)
        rebuilt = vae.decode(posterior.mean + posterior.std * noise).sample.float()
        found = {"l1": F.l1_loss(rebuilt, images), "kl": posterior.kl().mean()}
        if stretch.done >= _PERCEPTUAL_FROM:
            found["lpips"] = lpips((rebuilt + 1) / 2, (images + 1) / 2).mean()
    return found


@torch.no_grad()
def publish(vae: AutoencoderKL, crops: Crops, folder: Path) -> None:
    """Measures the latents' spread and writes a diffusers folder, weights in float16."""
    latents = torch.cat([vae.encode(crops.batch(1, i, 16)).latent_dist.mean for i in range(16)])
    config = json.loads((POCKET / "vae" / "config.json").read_text())
    config["scaling_factor"] = round(1 / latents.std().item(), 5)
    write_half(vae, folder / "vae")
    write_atomically(folder / "vae" / "config.json", (json.dumps(config, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
