"""Pretrains the autoencoder: L1, LPIPS, and a discriminator of patches in the second half."""

from __future__ import annotations

import json
from pathlib import Path

import toolkit
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save
from toolkit.streams import torch_stream
from toolkit.training.state import load_optimizer_state, optimizer_state
from toolkit.weights import write_atomically
from torch import Tensor, nn
from torch.nn import functional as F

from toolkit_backbones.plugin import POCKET
from toolkit_backbones.pretraining.crops import Crops, load_photos
from toolkit_backbones.pretraining.stretch import Average, Stretch, arguments

_RATE, _JUDGE_RATE = 4e-4, 2e-4
_PERCEPTUAL, _ADVERSARIAL, _KL = 0.5, 0.1, 1e-6
_JUDGE_FROM = 0.4
"""Share of the work after which the discriminator joins in."""


class PatchJudge(nn.Sequential):
    """Says of every 34-px patch whether it is of a photograph; `[b, 3, h, w]` in [-1, 1]."""

    def __init__(self, width: int = 64) -> None:
        def block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
            convolution = nn.Conv2d(inputs, outputs, 4, stride, 1)
            return [nn.utils.parametrizations.spectral_norm(convolution), nn.LeakyReLU(0.2)]

        super().__init__(
            *block(3, width, 2), *block(width, 2 * width, 2), *block(2 * width, 4 * width, 1),
            nn.Conv2d(4 * width, 1, 4, 1, 1),
        )  # fmt: skip


def main() -> None:
    """Trains, then writes the averaged weights with their latent scaling."""
    args = arguments(__doc__ or "", steps=40_000, batch=32, size=256)
    stretch = Stretch("vae", args)
    vae = AutoencoderKL.from_config(json.loads((POCKET / "vae" / "config.json").read_text()))
    vae = vae.to(stretch.device, memory_format=torch.channels_last)
    judge = PatchJudge().to(stretch.device, memory_format=torch.channels_last)
    lpips = toolkit.make("loss", "lpips").to(stretch.device)
    crops = Crops(load_photos(args.photos), args.size, stretch.device)
    models = {"vae": vae, "judge": judge}
    optimizers = {
        "vae": torch.optim.AdamW(vae.parameters(), _RATE, betas=(0.9, 0.99), weight_decay=1e-4),
        "judge": torch.optim.AdamW(judge.parameters(), _JUDGE_RATE, betas=(0.5, 0.9)),
    }
    if stretch.saved:
        for name, model in models.items():
            model.load_state_dict(stretch.load(name))
            state = stretch.load(f"{name}.optimizer")
            load_optimizer_state(optimizers[name], dict(model.named_parameters()), state)
    average = Average(vae, stretch.load("average"), decay=0.999)
    going = stretch.done < 1
    while going:
        for name, peak in (("vae", _RATE), ("judge", _JUDGE_RATE)):
            optimizers[name].param_groups[0]["lr"] = stretch.rate(peak)
        images = crops.batch(args.seed, stretch.step, args.batch)
        figures = train_step(stretch, vae, judge, lpips, optimizers, images)
        average.update(stretch.step)
        going = stretch.advance(figures)
        if stretch.due() or not going:
            parts = {name: model.state_dict() for name, model in models.items()}
            for name, model in models.items():
                named = dict(model.named_parameters())
                parts[f"{name}.optimizer"] = optimizer_state(optimizers[name], named)
            stretch.save({**parts, "average": average.weights})
    vae.load_state_dict(average.weights)
    publish(vae.eval(), crops, args.out)


def train_step(
    stretch: Stretch,
    vae: AutoencoderKL,
    judge: PatchJudge,
    lpips: nn.Module,
    optimizers: dict[str, torch.optim.Optimizer],
    images: Tensor,
) -> dict[str, Tensor]:
    """One step of the autoencoder, then one of the discriminator."""
    adversarial = stretch.done >= _JUDGE_FROM
    rng = torch_stream(stretch.args.seed, "posterior", stretch.step, device=stretch.device)
    with torch.autocast(stretch.device.type, torch.bfloat16):
        posterior = vae.encode(images).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=rng, device=stretch.device)
        rebuilt = vae.decode(posterior.mean + posterior.std * noise).sample.float()
        perceptual = lpips((rebuilt + 1) / 2, (images + 1) / 2).mean()
    l1 = F.l1_loss(rebuilt, images)
    kl = posterior.kl().mean()
    loss = l1 + _PERCEPTUAL * perceptual + _KL * kl
    figures = {"l1": l1, "lpips": perceptual, "kl": kl}
    if adversarial:
        judge.requires_grad_(requires_grad=False)
        with torch.autocast(stretch.device.type, torch.bfloat16):
            fooled = -judge(rebuilt).float().mean()
        weight = _balance(loss, fooled, vae.decoder.conv_out.weight)
        loss = loss + _ADVERSARIAL * weight * fooled
    optimizers["vae"].zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
    optimizers["vae"].step()
    if adversarial:
        judge.requires_grad_(requires_grad=True)
        with torch.autocast(stretch.device.type, torch.bfloat16):
            real, fake = judge(images).float(), judge(rebuilt.detach()).float()
        judged = (F.relu(1 - real) + F.relu(1 + fake)).flatten(1).mean()
        optimizers["judge"].zero_grad(set_to_none=True)
        judged.backward()
        optimizers["judge"].step()
        figures |= {"judge": judged, "weight": weight}
    return {name: figure.detach() for name, figure in figures.items()}


def _balance(loss: Tensor, fooled: Tensor, last: nn.Parameter) -> Tensor:
    """Ratio of the two gradients at the decoder's last layer (Esser et al., 2021)."""
    first = torch.autograd.grad(loss, last, retain_graph=True)[0].norm()
    second = torch.autograd.grad(fooled, last, retain_graph=True)[0].norm()
    return (first / (second + 1e-4)).clamp(0, 1e4).detach()


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
