"""One-step restoration at full size: folded and merged, beside diffusers run as peers run it.

Theirs: diffusers' own UNet and VAE, eager, with unmerged LoRA through its own adapter. Ours: what
`toolkit restore` runs. Same random weights, same image, same precision and threads, in turn.
"""

from __future__ import annotations

import argparse
import resource
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from peft import LoraConfig
from side_by_side import document, line, save
from torch import Tensor

import toolkit
from toolkit.costs.timing import alternate, peak_bytes
from toolkit.images import bicubic_resize
from toolkit.streams import torch_stream

A100 = {"DFOSD, Table 3": 0.11, "OSEDiff, by its authors": 0.105}
"""Seconds at 512 px."""
TIMESTEP = 399


def main() -> None:
    """Measures time, memory and agreement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=512, help="of the output, in pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--backbone", default="sd21")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    precision = "float32" if args.device == "cpu" else "bfloat16"
    backbone = {"use": args.backbone, "weights": "random", "precision": precision}
    generator = toolkit.make("generator", "one-step", backbone=backbone, timestep=TIMESTEP)
    train_a_little(generator)
    theirs = Eager(generator).to(args.device)
    ours = generator.as_restorer().to(torch.device(args.device))
    lr = torch.rand(1, 3, args.side // 4, args.side // 4, generator=torch_stream(0, "image"))
    lr = lr.to(args.device)
    works = {"theirs": lambda: theirs(lr).cpu(), "ours": lambda: ours(lr).cpu()}
    found = asdict(alternate(works["theirs"], works["ours"], args.rounds))
    print(line("restoring", found))
    difference = (works["theirs"]() - works["ours"]()).abs()
    agreement = {"largest": difference.max().item(), "mean": difference.mean().item()}
    print(f"Differences: largest {agreement['largest']:.1e}, mean {agreement['mean']:.1e}")
    working = {name: peak_bytes(work) for name, work in works.items()}
    told = ", ".join(f"{name} {(size or 0) / 1e6:.0f} MB" for name, size in working.items())
    print(f"Working memory beside the weights: {told}")
    print("On an A100: " + ", ".join(f"{who} {seconds} s" for who, seconds in A100.items()))
    settings = {key: getattr(args, key) for key in ("side", "threads", "backbone", "device")}
    content = document(
        "restoring",
        ("torch", "diffusers", "peft"),
        settings={**settings, "precision": precision},
        **found,
        difference=agreement,
        working_bytes=working,
        peak_process_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        seconds_on_an_a100=A100,
    )
    save(args.out, content)


def train_a_little(generator: Any) -> None:
    """Gives LoRA and embeddings values as after a training; fresh ones do nothing."""
    rng = torch_stream(0, "lora")
    state = generator.state()
    generator.load_state({n: 0.02 * torch.randn(t.shape, generator=rng) for n, t in state.items()})


class Eager:
    """The same system in diffusers' own words."""

    def __init__(self, generator: Any) -> None:
        backbone = generator.backbone
        with torch.device("meta"):
            self.vae = AutoencoderKL.from_config(generator.vae.config)
            self.unet = UNet2DConditionModel.from_config(generator.unet.config)
        self.vae.load_state_dict(generator.vae.state_dict(), assign=True)
        self.unet.load_state_dict(backbone.unet(shared=True).state_dict(), assign=True)
        layers = list(backbone.lora_layers["dfosd"])
        rank = generator.lora_rank
        self.unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=layers))
        lora = {
            name.replace(".lora_A.", ".lora_A.default.").replace(".lora_B.", ".lora_B.default."): t
            for name, t in generator.state().items()
        }
        own = self.unet.state_dict()
        own |= {name.removeprefix("unet."): t.to(self.unet.dtype) for name, t in lora.items()
                if name.startswith("unet.")}  # fmt: skip
        self.unet.load_state_dict(own)
        self.text = generator.condition.text.detach().to(self.unet.dtype).clone()
        signal = backbone.alphas_cumprod()[TIMESTEP].item()
        self.signal, self.noise = signal**0.5, (1 - signal) ** 0.5

    def to(self, device: str) -> Eager:
        """Moves it."""
        self.vae.to(device)
        self.unet.to(device)
        self.text = self.text.to(device)
        return self

    @torch.no_grad()
    def __call__(self, lr: Tensor) -> Tensor:
        """`[1, 3, h, w]` to `[1, 3, 4h, 4w]`."""
        image = (2 * bicubic_resize(lr, 4) - 1).to(self.vae.dtype)
        scaling = self.vae.config.scaling_factor
        latent = self.vae.encode(image).latent_dist.mode() * scaling
        noise = self.unet(latent, TIMESTEP, encoder_hidden_states=self.text).sample
        clean = (latent.float() - self.noise * noise.float()) / self.signal
        decoded = self.vae.decode((clean / scaling).to(self.vae.dtype)).sample
        return ((decoded.float() + 1) / 2).clamp(0, 1)


if __name__ == "__main__":
    main()
