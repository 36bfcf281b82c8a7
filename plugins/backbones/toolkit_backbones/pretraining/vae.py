"""Pretrains the autoencoder: as a linear map, then with L1, LPIPS and a patch discriminator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

import toolkit
from toolkit.plugin import torch_stream
from toolkit_backbones.pretraining.crops import Crops, load_photos
from toolkit_backbones.pretraining.linear import LinearAutoencoder
from toolkit_backbones.pretraining.patches import PatchDiscriminator
from toolkit_backbones.pretraining.phase import Phase, fit, options, write_half
from toolkit_backbones.pretraining.shapes import VAE, write_shape

_LINEAR_STEPS, _LINEAR_RATE = 3000, 3e-3
_RATE = 6e-4
_NOISE = 0.03
"""Standard deviation of noise added to the linear code, whose variance is kept near 1."""
_WEIGHTS = {"l1": 1.0, "kl": 1e-6, "lpips": 0.3, "adversarial": 0.005, "patches": 0.005}
_PERCEPTUAL_FROM, _ADVERSARIAL_FROM = 0.4, 0.75
"""Fractions of the steps after which LPIPS, the costliest loss, and the discriminator start."""


def main() -> None:
    """Trains the autoencoder and writes its averaged weights and latent scaling."""
    args = options(__doc__ or "", steps=4000, batch=16, size=64).parse_args()
    phase = Phase("vae", args)
    vae = AutoencoderKL.from_config(VAE).to(phase.device)
    crops = Crops(load_photos(args.photos), args.size, phase.device)
    if not phase.saved:
        start_linear(Phase("linear", args, _LINEAR_STEPS), vae, crops)
    model = nn.ModuleDict({"vae": vae, "patches": PatchDiscriminator()}).to(phase.device)
    lpips = toolkit.make("loss", "lpips").to(phase.device)

    def losses() -> dict[str, Tensor]:
        images = crops.batch(args.seed, phase.step, args.batch)
        return reconstruction_losses(phase, model, lpips, images)

    fit(phase, model, _RATE, losses, _WEIGHTS)
    publish(vae.eval(), crops, args.out / "vae")


def start_linear(phase: Phase, vae: AutoencoderKL, crops: Crops) -> None:
    """Initialises the autoencoder by training its convolutions as a linear map."""
    linear = LinearAutoencoder(vae).to(phase.device)

    def losses() -> dict[str, Tensor]:
        images = crops.batch(phase.args.seed, phase.step, phase.args.batch)
        code = linear.encode(images)
        rng = torch_stream(phase.args.seed, "code", phase.step, device=phase.device)
        noise = torch.randn(code.shape, generator=rng, device=phase.device)
        error = F.mse_loss(linear.decode(code + _NOISE * noise), images)
        variance = code.square().mean(dim=(0, 2, 3))
        return {"mse": error, "spread": (variance - 1).square().mean()}

    fit(phase, linear, _LINEAR_RATE, losses, {"mse": 1.0, "spread": 1e-4})
    linear.embed(vae)


def reconstruction_losses(
    phase: Phase, model: nn.ModuleDict, lpips: nn.Module, images: Tensor
) -> dict[str, Tensor]:
    """Computes the losses for images `[b, 3, h, w]`, in [-1, 1]."""
    rng = torch_stream(phase.args.seed, "posterior", phase.step, device=phase.device)
    vae: Any = model["vae"]
    patches: Any = model["patches"]
    with phase.autocast():
        posterior = vae.encode(images).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=rng, device=phase.device)
        output = vae.decode(posterior.mean + posterior.std * noise).sample.float()
        losses = {"l1": F.l1_loss(output, images), "kl": posterior.kl().mean()}
        if phase.done >= _PERCEPTUAL_FROM:
            losses["lpips"] = lpips((output + 1) / 2, (images + 1) / 2).mean()
        if phase.done >= _ADVERSARIAL_FROM:
            frozen = {name: value.detach() for name, value in patches.named_parameters()}
            losses["adversarial"] = F.softplus(-functional_call(patches, frozen, output)).mean()
            fake_loss = F.softplus(patches(output.detach())).mean()
            losses["patches"] = fake_loss + F.softplus(-patches(images)).mean()
    return losses


@torch.no_grad()
def publish(vae: AutoencoderKL, crops: Crops, folder: Path) -> None:
    """Measures the latent scaling and writes a folder in diffusers' layout, in float16."""
    latents = torch.cat([vae.encode(crops.batch(1, i, 16)).latent_dist.mean for i in range(16)])
    write_half(vae, folder)
    write_shape({**VAE, "scaling_factor": round(1 / latents.std().item(), 5)}, folder)


if __name__ == "__main__":
    main()
