"""Evaluates a backbone on the held-out photographs, for its model card; prints JSON."""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import toolkit
from toolkit.plugin import torch_stream
from toolkit_backbones.plugin import POCKET

_TIMES = (100, 399, 700)
_CROP = 64
"""Side of the latent crop for noise prediction."""


@torch.inference_mode()
def main() -> None:
    """Prints mean scores over all held-out photographs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=POCKET, help="a diffusers folder")
    backbone = toolkit.make("backbone", "pocket", weights=str(parser.parse_args().folder))
    vae, unet = backbone.vae(), backbone.unet()
    photos = toolkit.make("dataset", "photos:heldout")
    metrics = {
        "psnr-y": toolkit.make("metric", "psnr-y"),
        "lpips:alex": toolkit.make("loss", "lpips:alex"),
        "dists": toolkit.make("loss", "dists"),
    }
    scores: dict[str, list[float]] = {}
    for index in range(len(photos)):
        photo = photos[index].hr[None]
        latent = vae.encode(2 * photo - 1).latent_dist.mode()
        reconstruction = (vae.decode(latent).sample / 2 + 0.5).clamp(0, 1)
        for name, metric in metrics.items():
            scores.setdefault(name, []).append(metric(reconstruction, photo).item())
        crop = latent[..., :_CROP, :_CROP] * backbone.latent_scaling
        for t in _TIMES:
            error = noise_error(backbone, unet, crop, t, index)
            scores.setdefault(f"noise at {t}", []).append(error)
    print(json.dumps({name: round(statistics.fmean(values), 4) for name, values in scores.items()}))


def noise_error(backbone: Any, unet: Any, latent: Tensor, t: int, index: int) -> float:
    """Returns the mean squared error of the predicted noise at a timestep; 1 for predicting 0."""
    rng = torch_stream(0, "noise", index, t)
    noise = torch.randn(latent.shape, generator=rng)
    text = 0.02 * torch.randn((1, backbone.text_tokens, backbone.text_width), generator=rng)
    signal = backbone.alphas_cumprod()[t].float()
    noisy = signal.sqrt() * latent + (1 - signal).sqrt() * noise
    return float((unet(noisy, t, text).sample - noise).square().mean())


if __name__ == "__main__":
    main()
