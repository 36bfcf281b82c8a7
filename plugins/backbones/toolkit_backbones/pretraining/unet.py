"""Pretrains the UNet for noise prediction on the autoencoder's latents.

There are no captions. Text embeddings are drawn with a standard deviation of 0.02, like the
initial learnable embeddings of generator and discriminator.
"""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional as F

import toolkit
from toolkit.plugin import torch_stream
from toolkit_backbones.latent_diffusion import TRAIN_TIMESTEPS, LatentDiffusion, alphas_cumprod
from toolkit_backbones.pretraining.crops import Crops, load_photos
from toolkit_backbones.pretraining.phase import Phase, fit, options, write_half
from toolkit_backbones.pretraining.shapes import UNETS, write_shape

_RATE = 6e-4
_TEXT_STD = 0.02


def main() -> None:
    """Trains the UNet and writes its averaged weights beside the autoencoder."""
    parser = options(__doc__ or "", steps=5000, batch=12, size=96)
    parser.add_argument("--shape", choices=UNETS, default="pocket", help="configuration")
    args = parser.parse_args()
    shape = UNETS[args.shape]
    phase = Phase("unet", args)
    write_shape(shape, args.out / "unet")
    vae = toolkit.make("backbone", "pocket", weights=str(args.out)).vae().to(phase.device)
    unet = UNet2DConditionModel.from_config(shape).to(phase.device)
    crops = Crops(load_photos(args.photos), args.size, phase.device)

    def losses() -> dict[str, Tensor]:
        with torch.no_grad(), phase.autocast():
            images = crops.batch(args.seed, phase.step, args.batch)
            latents = vae.encode(images).latent_dist.mean.float() * vae.config.scaling_factor
        return {"noise": noise_loss(phase, unet, latents)}

    fit(phase, unet, _RATE, losses, {"noise": 1.0})
    write_half(unet, args.out / "unet")


def noise_loss(phase: Phase, unet: UNet2DConditionModel, latents: Tensor) -> Tensor:
    """Computes the mean squared error of predicted noise, uniform over t (Ho et al., 2020)."""
    device, count = phase.device, latents.shape[0]
    rng = torch_stream(phase.args.seed, "noise", phase.step, device=device)
    t = torch.randint(TRAIN_TIMESTEPS, (count,), generator=rng, device=device)
    noise = torch.randn(latents.shape, generator=rng, device=device)
    shape = (count, LatentDiffusion.text_tokens, unet.config.cross_attention_dim)
    text = torch.randn(shape, generator=rng, device=device) * _TEXT_STD
    signal = alphas_cumprod().to(device)[t].float().view(-1, 1, 1, 1)
    noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
    with phase.autocast():
        predicted = unet(noisy, t, text).sample
    return F.mse_loss(predicted.float(), noise)


if __name__ == "__main__":
    main()
