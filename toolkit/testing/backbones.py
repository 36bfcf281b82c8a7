"""Checks of backbones."""

from __future__ import annotations

import torch

from toolkit.interfaces import Backbone
from toolkit.testing.samples import SIDE, image
from toolkit.testing.subject import Subject, demand


def shapes(subject: Subject) -> None:
    """Checks that VAE, UNet and condition fit each other and the backbone's properties."""
    backbone: Backbone = subject.made
    demand(len(backbone.fingerprint) >= 16, "a fingerprint has 16 characters at the least")
    vae, unet = backbone.vae(), backbone.unet()
    side = SIDE // backbone.factor
    wanted = (1, backbone.latent_channels, side, side)
    with torch.no_grad():
        latent = vae.encode(image(1) * 2 - 1).latent_dist.mode() * backbone.latent_scaling
        demand(
            latent.shape == wanted,
            f"vae().encode gives latents {list(latent.shape)}, not {list(wanted)}",
        )
        half = backbone.condition()(1, torch.bfloat16)["encoder_hidden_states"]
        demand(
            half.dtype == torch.bfloat16,
            f"a condition must have the requested dtype bfloat16, and has {half.dtype}",
        )
        arguments = backbone.condition()(1, latent.dtype)
        text = (backbone.text_tokens, backbone.text_width)
        given = arguments["encoder_hidden_states"].shape[1:]
        demand(given == text, f"a condition is {list(given)}, not {list(text)}")
        noise = unet(latent, 399, **arguments).sample
    demand(noise.shape == wanted, f"unet() gives {list(noise.shape)}, not {list(wanted)}")
    schedule = backbone.alphas_cumprod()
    demand(schedule.shape == (1000,), f"alphas_cumprod is {list(schedule.shape)}, not [1000]")
    demand(bool((schedule.diff() < 0).all()), "alphas_cumprod must decrease")


def gradients(subject: Subject) -> None:
    """Checks that parts are frozen, and that each list of layers gets a trainable LoRA."""
    backbone: Backbone = subject.made
    for name, part in (("vae()", backbone.vae()), ("unet()", backbone.unet())):
        frozen = not any(parameter.requires_grad for parameter in part.parameters())
        demand(frozen, f"{name} must be frozen, and has parameters with gradients")
    demand(backbone.lora_layers, "lora_layers must contain at least one list")
    for layers in backbone.lora_layers:
        added = backbone.add_lora(backbone.unet(), 2, 2.0, layers)
        demand(added, f"the LoRA list {layers!r} matches no layer")
        trainable = all(weight.requires_grad for weight in added.values())
        demand(trainable, f"LoRA of {layers!r} must be trainable")


def determinism(subject: Subject) -> None:
    """Checks that `unet()` returns a new module each time, with the same weights."""
    backbone: Backbone = subject.made
    with torch.no_grad():
        altered = next(backbone.unet().parameters()).add_(1)
    demand(
        not torch.equal(next(backbone.unet().parameters()), altered),
        "unet() must return a new module",
    )
    first, second = (next(backbone.unet(shared=True).parameters()) for _ in range(2))
    demand(torch.equal(first, second), "unet(shared=True) must have the same weights again")
