"""Pretrains the autoencoder: linear first, then whole, by L1, LPIPS and a patch discriminator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

import toolkit
from toolkit.streams import torch_stream
from toolkit_backbones.pretraining.crops import Crops, load_photos
from toolkit_backbones.pretraining.linear import LinearAutoencoder
from toolkit_backbones.pretraining.patches import PatchDiscriminator
from toolkit_backbones.pretraining.shapes import VAE, write_shape
from toolkit_backbones.pretraining.stretch import Stretch, fit, options, write_half

_LINEAR_STEPS, _LINEAR_RATE = 3000, 3e-3
_RATE = 6e-4
_NOISE = 0.03
"""On the linear code, whose spread is held near 1."""
_WEIGHTS = {"l1": 1.0, "kl": 1e-6, "lpips": 0.3, "adversarial": 0.005, "patches": 0.005}
_PERCEPTUAL_FROM, _ADVERSARIAL_FROM = 0.4, 0.75
"""Shares of the work after which LPIPS and the discriminator join in; VGG16 is most of the cost."""


def main() -> None:
    """Trains, then writes the averaged weights with their latent scaling."""
    args = options(__doc__ or "", steps=4000, batch=16, size=64).parse_args()
    stretch = Stretch("vae", args)
    vae = AutoencoderKL.from_config(VAE).to(stretch.device)
    crops = Crops(load_photos(args.photos), args.size, stretch.device)
    if not stretch.saved:
        start_linear(Stretch("linear", args, _LINEAR_STEPS), vae, crops)
    model = nn.ModuleDict({"vae": vae, "patches": PatchDiscriminator()}).to(stretch.device)
    lpips = toolkit.make("loss", "lpips").to(stretch.device)

    def losses() -> dict[str, Tensor]:
        images = crops.batch(args.seed, stretch.step, args.batch)
        return reconstruction_losses(stretch, model, lpips, images)

    fit(stretch, model, _RATE, losses, _WEIGHTS)
    publish(vae.eval(), crops, args.out / "vae")


def start_linear(stretch: Stretch, vae: AutoencoderKL, crops: Crops) -> None:
    """Trains the autoencoder's convolutions as a linear map, and embeds that in it."""
    linear = LinearAutoencoder(vae).to(stretch.device)

    def losses() -> dict[str, Tensor]:
        images = crops.batch(stretch.args.seed, stretch.step, stretch.args.batch)
        code = linear.encode(images)
        rng = torch_stream(stretch.args.seed, "code", stretch.step, device=stretch.device)
        noise = torch.randn(code.shape, generator=rng, device=stretch.device)
        error = F.mse_loss(linear.decode(code + _NOISE * noise), images)
        spread = code.square().mean(dim=(0, 2, 3))
        return {"mse": error, "spread": (spread - 1).square().mean()}

    fit(stretch, linear, _LINEAR_RATE, losses, {"mse": 1.0, "spread": 1e-4})
    linear.embed(vae)


def reconstruction_losses(
    stretch: Stretch, model: nn.ModuleDict, lpips: nn.Module, images: Tensor
) -> dict[str, Tensor]:
    """What is to become small, for images `[b, 3, h, w]` in [-1, 1]."""
    rng = torch_stream(stretch.args.seed, "posterior", stretch.step, device=stretch.device)
    vae: Any = model["vae"]
    patches: Any = model["patches"]
    with stretch.autocast():
        posterior = vae.encode(images).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=rng, device=stretch.device)
        rebuilt = vae.decode(posterior.mean + posterior.std * noise).sample.float()
        found = {"l1": F.l1_loss(rebuilt, images), "kl": posterior.kl().mean()}
        if stretch.done >= _PERCEPTUAL_FROM:
            found["lpips"] = lpips((rebuilt + 1) / 2, (images + 1) / 2).mean()
        if stretch.done >= _ADVERSARIAL_FROM:
            frozen = {name: each.detach() for name, each in patches.named_parameters()}
            found["adversarial"] = F.softplus(-functional_call(patches, frozen, rebuilt)).mean()
            judged = F.softplus(patches(rebuilt.detach())).mean()
            found["patches"] = judged + F.softplus(-patches(images)).mean()
    return found


@torch.no_grad()
def publish(vae: AutoencoderKL, crops: Crops, folder: Path) -> None:
    """Measures the latents' spread and writes a diffusers folder, weights in float16."""
    latents = torch.cat([vae.encode(crops.batch(1, i, 16)).latent_dist.mean for i in range(16)])
    write_half(vae, folder)
    write_shape({**VAE, "scaling_factor": round(1 / latents.std().item(), 5)}, folder)


if __name__ == "__main__":
    main()
