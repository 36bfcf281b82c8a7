"""Pretrains the autoencoder: by L1 alone at first, then by L1 and LPIPS."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

import toolkit
from toolkit.streams import torch_stream
from toolkit.training.state import load_optimizer_state, optimizer_state
from toolkit.weights import write_atomically
from toolkit_backbones.plugin import POCKET
from toolkit_backbones.pretraining.crops import Crops, load_photos
from toolkit_backbones.pretraining.stretch import Average, Stretch, arguments

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
    optimizer = torch.optim.AdamW(vae.parameters(), _RATE, betas=(0.9, 0.99), weight_decay=1e-4)
    named = dict(vae.named_parameters())
    if stretch.saved:
        vae.load_state_dict(stretch.load("vae"))
        load_optimizer_state(optimizer, named, stretch.load("vae.optimizer"))
    average = Average(vae, stretch.load("average"), decay=0.998)
    crops = Crops(load_photos(args.photos), args.size, stretch.device)
    going = stretch.done < 1
    while going:
        optimizer.param_groups[0]["lr"] = stretch.rate(_RATE)
        figures = losses(stretch, vae, lpips, crops.batch(args.seed, stretch.step, args.batch))
        optimizer.zero_grad(set_to_none=True)
        total(figures).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        average.update(stretch.step)
        going = stretch.advance(figures)
        if stretch.due() or not going:
            stretch.save(
                {
                    "vae": vae.state_dict(),
                    "vae.optimizer": optimizer_state(optimizer, named),
                    "average": average.weights,
                }
            )
    vae.load_state_dict(average.weights)
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


def total(figures: dict[str, Tensor]) -> Tensor:
    """Their weighted sum."""
    weights = {"l1": 1.0, "kl": _KL, "lpips": _PERCEPTUAL}
    return torch.stack([weights[name] * figure for name, figure in figures.items()]).sum()


@torch.no_grad()
def publish(vae: AutoencoderKL, crops: Crops, folder: Path) -> None:
    """Measures the latents' spread and writes a diffusers folder, weights in float16."""
    latents = torch.cat([vae.encode(crops.batch(1, i, 16)).latent_dist.mean for i in range(16)])
    config = json.loads((POCKET / "vae" / "config.json").read_text())
    config["scaling_factor"] = round(1 / latents.std().item(), 5)
    half = {name: tensor.half().cpu().contiguous() for name, tensor in vae.state_dict().items()}
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    write_atomically(weights, save(half, {"format": "pt"}))
    write_atomically(folder / "vae" / "config.json", (json.dumps(config, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
