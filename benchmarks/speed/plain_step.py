"""The training step of NAD with EA-DISTS, as written with diffusers, peft and pyiqa alone.

Two UNets with weights of their own, of which the discriminator keeps the first half; LoRA by peft;
pyiqa's DISTS called twice; PyTorch's AdamW. Nothing is computed that is not needed: what is frozen
has no gradients, targets and encodings no graphs, and attention is PyTorch's fused one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import theirs
import torch
from diffusers.training_utils import cast_training_params
from peft import LoraConfig
from torch import Tensor, nn
from torch.nn import functional as F

Draws = Callable[[str], AbstractContextManager[torch.Generator]]
"""Opens a block in which the images of a batch are drawn from the random stream of a purpose."""


@dataclass(frozen=True)
class Plan:
    """What both sides are given.

    Attributes:
        timestep: T_L of eq. 1.
        rank: Rank and alpha of both LoRAs.
        layers: Names of the layers with LoRA.
        rate: Learning rate of both.
        decay: AdamW's weight decay.
        adversarial: Weight of eq. 2.
        discriminator: Weight of eq. 3.
        autocast: Dtype of autocast; None for none.
    """

    timestep: int
    rank: int
    layers: tuple[str, ...]
    rate: float
    decay: float
    adversarial: float
    discriminator: float
    autocast: torch.dtype | None = None


class PlainTraining:
    """Generator, discriminator, losses and optimisers.

    Args:
        backbone: Supplies diffusers' own modules with their weights, and ᾱ.
        plan: Settings.
        device: Where it trains.
        checkpointing: Whether to use gradient checkpointing.
    """

    def __init__(self, backbone: Any, plan: Plan, device: str, *, checkpointing: bool) -> None:
        self.plan, self.device = plan, device
        self.trunk = first_half(plain(backbone.unet()))  # before the other, as it needs a whole one
        self.unet, self.vae = plain(backbone.unet()), plain(backbone.vae())
        width = self.trunk.config.block_out_channels[-1]
        self.head = nn.Sequential(nn.Conv2d(width, width, 1), nn.SiLU(), nn.Conv2d(width, 1, 1))
        text = (1, backbone.text_tokens, backbone.text_width)
        self.text = nn.Parameter(torch.zeros(text, device=device))
        self.trunk_text = nn.Parameter(torch.zeros(text, device=device))
        for unet in (self.unet, self.trunk):
            layers = list(plan.layers)
            unet.add_adapter(LoraConfig(r=plan.rank, lora_alpha=plan.rank, target_modules=layers))
            cast_training_params(unet, dtype=torch.float32)
        for module in (self.unet, self.trunk, self.vae, self.head):
            module.to(device)
            if checkpointing and module is not self.head:
                module.enable_gradient_checkpointing()
        self.dists = theirs.dists().to(device)
        self.alphas_cumprod = backbone.alphas_cumprod().float().to(device)
        signal = backbone.alphas_cumprod()[plan.timestep].item()
        self.signal, self.noise = signal**0.5, (1 - signal) ** 0.5
        settings = {"lr": plan.rate, "weight_decay": plan.decay}
        self.optimizer = torch.optim.AdamW(self.parameters("generator").values(), **settings)
        judge = self.parameters("discriminator").values()
        self.trunk_optimizer = torch.optim.AdamW(judge, **settings)

    def parameters(self, part: str) -> dict[str, nn.Parameter]:
        """The trained parameters of generator or discriminator, by the toolkit's names."""
        if part == "generator":
            return {"text": self.text, **dict(lora_of(self.unet, "unet"))}
        head = {f"head.{name}": parameter for name, parameter in self.head.named_parameters()}
        return {"text": self.trunk_text, **dict(lora_of(self.trunk, "trunk")), **head}

    def step(self, lr: Tensor, hr: Tensor, draws: Draws) -> dict[str, float]:
        """Trains both on a batch; returns the losses by name."""
        judge = self.parameters("discriminator").values()
        for parameter in judge:
            parameter.requires_grad_(requires_grad=False)
        self.optimizer.zero_grad(set_to_none=True)
        latent, image = self.restore(lr)
        with self.autocast(), draws("generator") as rng:
            fooled = F.softplus(-self.judge(latent, rng)).mean()
        mse = F.mse_loss(image, hr)
        edge_aware = (self.dists(image, hr) + self.dists(sobel(image), sobel(hr))).mean()
        (mse + edge_aware + self.plan.adversarial * fooled).backward()
        self.optimizer.step()

        for parameter in judge:
            parameter.requires_grad_(requires_grad=True)
        self.trunk_optimizer.zero_grad(set_to_none=True)
        real = self.encode(hr)
        with self.autocast():
            with draws("fake") as rng:
                fake_logits = self.judge(latent.detach(), rng)
            with draws("real") as rng:
                real_logits = self.judge(real, rng)
        loss = F.softplus(fake_logits).mean() + F.softplus(-real_logits).mean()
        (self.plan.discriminator * loss).backward()
        self.trunk_optimizer.step()
        losses = {
            "mse": mse,
            "ea-dists": edge_aware,
            "adversarial": fooled,
            "discriminator": loss,
        }
        return {name: value.item() for name, value in losses.items()}

    def autocast(self) -> torch.autocast:
        """Mixed precision, if there is any."""
        dtype = self.plan.autocast
        return torch.autocast(torch.device(self.device).type, dtype, enabled=dtype is not None)

    @torch.no_grad()
    def encode(self, image: Tensor) -> Tensor:
        """Latents of images in [0, 1]."""
        with self.autocast():
            latent = self.vae.encode((2 * image - 1).to(self.vae.dtype)).latent_dist.mode()
        scaled: Tensor = latent.float() * self.vae.config.scaling_factor
        return scaled

    def restore(self, lr: Tensor) -> tuple[Tensor, Tensor]:
        """Eq. 1: latents and images."""
        # With antialias, the cubic kernel has MATLAB's parameter.
        large = F.interpolate(lr, scale_factor=4, mode="bicubic", antialias=True)
        begun = self.encode(large)
        with self.autocast():
            text = self.text.to(self.unet.dtype).expand(len(lr), -1, -1)
            noisy = begun.to(self.unet.dtype)
            noise = self.unet(noisy, self.plan.timestep, encoder_hidden_states=text).sample
            latent = (begun - self.noise * noise.float()) / self.signal
            scaled = latent / self.vae.config.scaling_factor
            decoded = self.vae.decode(scaled.to(self.vae.dtype)).sample
        return latent, (decoded.float() + 1) / 2

    def judge(self, latent: Tensor, rng: torch.Generator) -> Tensor:
        """Logits per region of noised latents (eq. 4)."""
        device = latent.device
        t = torch.randint(1000, (len(latent),), generator=rng, device=device)
        noise = torch.randn(latent.shape, generator=rng, device=device)
        signal = self.alphas_cumprod[t].view(-1, 1, 1, 1)
        noisy = (signal.sqrt() * latent + (1 - signal).sqrt() * noise).to(self.trunk.dtype)
        text = self.trunk_text.to(noisy.dtype).expand(len(latent), -1, -1)
        features = features_of(self.trunk, noisy, t, text)
        logits: Tensor = self.head(features.float()).float()
        return logits


def plain(network: Any) -> Any:
    """Diffusers' own network with the weights of the toolkit's, frozen."""
    with torch.device("meta"):
        own = type(network).from_config(network.config)
    own.load_state_dict(network.state_dict(), assign=True)
    return own.eval().requires_grad_(requires_grad=False)


def first_half(unet: Any) -> Any:
    """Releases all but `conv_in`, time embedding, down blocks and mid block."""
    unet.up_blocks = nn.ModuleList()
    unet.conv_norm_out = unet.conv_act = unet.conv_out = None
    return unet


def features_of(unet: Any, x: Tensor, t: Tensor, text: Tensor) -> Tensor:
    """Mid-block features, as the first lines of the UNet's own `forward` compute them."""
    time = unet.time_embedding(unet.time_proj(t).to(x.dtype))
    x = unet.conv_in(x)
    for block in unet.down_blocks:
        if getattr(block, "has_cross_attention", False):
            x, _ = block(hidden_states=x, temb=time, encoder_hidden_states=text)
        else:
            x, _ = block(hidden_states=x, temb=time)
    features: Tensor = unet.mid_block(x, time, encoder_hidden_states=text)
    return features


def sobel(image: Tensor) -> Tensor:
    """Sobel magnitude of the channels' mean, repeated to three channels (eqs. 6, 7)."""
    grey = image.mean(1, keepdim=True)
    across = grey.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    edges = F.conv2d(grey, torch.stack([across, across.T]).unsqueeze(1), padding=1)
    return (edges.square().sum(1, keepdim=True) + 1e-6).sqrt().repeat(1, 3, 1, 1)


def lora_of(unet: Any, prefix: str) -> Iterator[tuple[str, nn.Parameter]]:
    """LoRA's parameters, by the toolkit's names."""
    for name, parameter in unet.named_parameters():
        if "lora_" in name:
            yield f"{prefix}.{name.replace('.default', '')}", parameter
