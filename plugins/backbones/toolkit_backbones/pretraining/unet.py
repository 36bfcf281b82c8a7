"""Pretrains the noise prediction, over all timesteps, on the autoencoder's latents.

There are no captions. The text is drawn from N(0, 0.02), which is where the learnable embeddings
of generator and discriminator start.
"""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional as F

import toolkit
from toolkit.streams import torch_stream
from toolkit_backbones.latent_diffusion import TRAIN_TIMESTEPS, LatentDiffusion, alphas_cumprod
from toolkit_backbones.pretraining.crops import Crops, load_photos
from toolkit_backbones.pretraining.shapes import UNETS, write_shape
from toolkit_backbones.pretraining.stretch import Stretch, fit, options, write_half

_RATE = 6e-4
_TEXT_SPREAD = 0.02


def main() -> None:
    """Trains, then writes the averaged weights beside the autoencoder."""
    parser = options(__doc__ or "", steps=5000, batch=12, size=96)
    parser.add_argument("--shape", choices=UNETS, default="pocket", help="how wide it is")
    args = parser.parse_args()
    shape = UNETS[args.shape]
    stretch = Stretch("unet", args)
    write_shape(shape, args.out / "unet")
    vae = toolkit.make("backbone", "pocket", weights=str(args.out)).vae().to(stretch.device)
    unet = UNet2DConditionModel.from_config(shape).to(stretch.device)
    crops = Crops(load_photos(args.photos), args.size, stretch.device)

    def losses() -> dict[str, Tensor]:
        with torch.no_grad(), stretch.autocast():
            images = crops.batch(args.seed, stretch.step, args.batch)
            latents = vae.encode(images).latent_dist.mean.float() * vae.config.scaling_factor
        return {"noise": noise_loss(stretch, unet, latents)}

    fit(stretch, unet, _RATE, losses, {"noise": 1.0})
    write_half(unet, args.out / "unet")


def noise_loss(stretch: Stretch, unet: UNet2DConditionModel, latents: Tensor) -> Tensor:
    """Mean squared error of the predicted noise at uniform timesteps (Ho et al., 2020)."""
    device, count = stretch.device, latents.shape[0]
    rng = torch_stream(stretch.args.seed, "noise", stretch.step, device=device)
    t = torch.randint(TRAIN_TIMESTEPS, (count,), generator=rng, device=device)
    noise = torch.randn(latents.shape, generator=rng, device=device)
    shape = (count, LatentDiffusion.text_tokens, unet.config.cross_attention_dim)
    text = torch.randn(shape, generator=rng, device=device) * _TEXT_SPREAD
    signal = alphas_cumprod().to(device)[t].float().view(-1, 1, 1, 1)
    noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
    with stretch.autocast():
        predicted = unet(noisy, t, text).sample
    return F.mse_loss(predicted.float(), noise)


if __name__ == "__main__":
    main()
