"""A pretrained latent diffusion model in a diffusers folder, loaded in parts."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from peft import LoraConfig, inject_adapter_in_model

from toolkit.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

LORA_TARGETS = (
    "to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2",
    "conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj",
)  # fmt: skip
"""Open in the paper; the one list that explains the parameters and MACs of its Table 3."""

TRAIN_TIMESTEPS = 1000
_BETA_START, _BETA_END = 0.00085, 0.012
WEIGHTS = "diffusion_pytorch_model.safetensors"
_MODEL = TypeVar("_MODEL", AutoencoderKL, UNet2DConditionModel)


class LatentDiffusion:
    """A `Backbone` of diffusers' `AutoencoderKL` and `UNet2DConditionModel`.

    Args:
        name: What the backbone is called.
        folder: Holds `vae` and `unet`, each with `config.json` and safetensors weights.

    Raises:
        WeightsError: A file is missing or cannot be read.
    """

    text_tokens = 77
    lora_targets = LORA_TARGETS

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        vae, unet = self._config("vae"), self._config("unet")
        self.factor = 2 ** (len(vae["block_out_channels"]) - 1)
        self.latent_channels = int(vae["latent_channels"])
        self.latent_scaling = float(vae["scaling_factor"])
        self.text_width = int(unet["cross_attention_dim"])

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the weights of both parts."""
        digest = hashlib.sha256()
        for part in ("vae", "unet"):
            digest.update(self._file(part, "config.json").read_bytes())
            digest.update(self._file(part, WEIGHTS).read_bytes())
        return digest.hexdigest()

    def vae(self) -> AutoencoderKL:
        """The autoencoder, frozen, float32; images in [-1, 1]."""
        return self._load(AutoencoderKL, "vae")

    def unet(self) -> UNet2DConditionModel:
        """A fresh copy of the noise predictor, frozen, float32."""
        return self._load(UNet2DConditionModel, "unet")

    def alphas_cumprod(self) -> Tensor:
        """The scaled-linear schedule's ᾱ, `[1000]`, float64."""
        return alphas_cumprod()

    def add_lora(self, module: nn.Module, rank: int, alpha: float) -> dict[str, nn.Parameter]:
        """Adds LoRA (Hu et al., 2021) to the layers that take it, in place; starts as identity."""
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(self.lora_targets))
        inject_adapter_in_model(config, module)
        return {
            name.replace(".default", ""): parameter
            for name, parameter in module.named_parameters()
            if "lora_" in name
        }

    def _load(self, model: type[_MODEL], part: str) -> _MODEL:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self._file(part, WEIGHTS)
        try:
            state = {name: tensor.float() for name, tensor in load_file(path).items()}
        except SafetensorError as error:
            raise WeightsError(f"{path} is torn, or is no safetensors file ({error}).") from None
        loaded = model.from_config(self._config(part))
        loaded.load_state_dict(state)
        return loaded.eval().requires_grad_(False)

    def _config(self, part: str) -> dict[str, Any]:
        config: dict[str, Any] = json.loads(self._file(part, "config.json").read_text())
        return config

    def _file(self, part: str, name: str) -> Path:
        path = self._folder / part / name
        if not path.is_file():
            raise WeightsError(
                f"The backbone {self.name!r} lacks {path}.",
                "Name a diffusers folder: --set backbone.folder=DIR",
            )
        return path


def alphas_cumprod() -> Tensor:
    """ᾱ of Stable Diffusion's scaled-linear schedule, `[1000]`, float64.

    Example:
        >>> round(alphas_cumprod()[399].rsqrt().item(), 3)  # the gain of eq. 1 at t = 399
        1.532
    """
    roots = torch.linspace(_BETA_START**0.5, _BETA_END**0.5, TRAIN_TIMESTEPS, dtype=torch.float64)
    return (1 - roots.square()).cumprod(0)
