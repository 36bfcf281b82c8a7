"""Pretrains the noise prediction, over all timesteps, on the autoencoder's latents.

There are no captions. The text is drawn from N(0, 0.02), which is where the learnable embeddings
of generator and discriminator start.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from toolkit.streams import torch_stream
from toolkit.training.state import load_optimizer_state, optimizer_state
from toolkit.weights import write_atomically
from toolkit_backbones.latent_diffusion import TRAIN_TIMESTEPS, LatentDiffusion, alphas_cumprod
from toolkit_backbones.plugin import POCKET
from toolkit_backbones.pretraining.crops import Crops, load_photos
from toolkit_backbones.pretraining.stretch import Average, Stretch, arguments

_RATE = 6e-4
_TEXT_SPREAD = 0.02


def main() -> None:
    """Trains, then writes the averaged weights beside the autoencoder."""
    args = arguments(__doc__ or "", steps=4000, batch=12, size=96)
    stretch = Stretch("unet", args)
    config = (POCKET / "unet" / "config.json").read_bytes()
    write_atomically(args.out / "unet" / "config.json", config)
    vae = LatentDiffusion("pocket", args.out).vae().to(stretch.device)
    unet = UNet2DConditionModel.from_config(json.loads(config))
    unet = unet.to(stretch.device)
    optimizer = torch.optim.AdamW(unet.parameters(), _RATE, betas=(0.9, 0.99), weight_decay=1e-4)
    named = dict(unet.named_parameters())
    if stretch.saved:
        unet.load_state_dict(stretch.load("unet"))
        load_optimizer_state(optimizer, named, stretch.load("unet.optimizer"))
    average = Average(unet, stretch.load("average"), decay=0.998)
    crops = Crops(load_photos(args.photos), args.size, stretch.device)
    going = stretch.done < 1
    while going:
        optimizer.param_groups[0]["lr"] = stretch.rate(_RATE)
        with torch.no_grad(), torch.autocast(stretch.device.type, torch.bfloat16):
            images = crops.batch(args.seed, stretch.step, args.batch)
            latents = vae.encode(images).latent_dist.mean.float() * vae.config.scaling_factor
        loss = noise_loss(stretch, unet, latents)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        average.update(stretch.step)
        going = stretch.advance({"noise": loss.detach()})
        if stretch.due() or not going:
            stretch.save(
                {
                    "unet": unet.state_dict(),
                    "unet.optimizer": optimizer_state(optimizer, named),
                    "average": average.weights,
                }
            )
    unet.load_state_dict(average.weights)
    publish(unet, args.out)


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
    with torch.autocast(device.type, torch.bfloat16):
        predicted = unet(noisy, t, text).sample
    return F.mse_loss(predicted.float(), noise)


def publish(unet: UNet2DConditionModel, folder: Path) -> None:
    """Writes the UNet's weights in diffusers' layout, in float16."""
    half = {name: tensor.half().cpu().contiguous() for name, tensor in unet.state_dict().items()}
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    write_atomically(weights, save(half, {"format": "pt"}))


if __name__ == "__main__":
    main()
