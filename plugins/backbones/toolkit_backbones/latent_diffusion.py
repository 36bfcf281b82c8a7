"""A pretrained latent diffusion model, loaded in parts."""

from __future__ import annotations

import functools
import hashlib
import weakref
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, TypeVar

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn

from toolkit.weights import hollow
from toolkit_backbones import lora
from toolkit_backbones.architecture import PARTS, Architecture, Part
from toolkit_backbones.condition import Condition
from toolkit_backbones.precision import made_in
from toolkit_backbones.sources import Source

TRAIN_TIMESTEPS = 1000
_BETA_START, _BETA_END = 0.00085, 0.012
_MODEL = TypeVar("_MODEL", AutoencoderKL, UNet2DConditionModel)


class LatentDiffusion:
    """A `Backbone` of diffusers' `AutoencoderKL` and `UNet2DConditionModel`.

    Nothing is read before a part is asked for. On the meta device nothing is read at
    all: the parts then have the right layers, shapes and types, and no values.

    Args:
        name: What the backbone is called.
        architecture: What its parts are made of.
        source: Where their weights come from; None for random weights, always the same.
        precision: What the frozen weights are held in.
        checkpointing: Whether the networks' inner activations are computed again in the backward
            pass instead of being kept: less memory, a third more work.
    """

    text_tokens = 77
    lora_layers: Mapping[str, tuple[str, ...]] = lora.LAYERS

    def __init__(
        self,
        name: str,
        architecture: Architecture,
        source: Source | None,
        *,
        precision: torch.dtype = torch.float32,
        checkpointing: bool = False,
    ) -> None:
        self.name = name
        self._architecture, self._source = architecture, source
        self._precision, self._checkpointing = precision, checkpointing
        vae, unet = architecture["vae"], architecture["unet"]
        self.factor = 2 ** (len(vae["block_out_channels"]) - 1)
        self.latent_channels = int(vae["latent_channels"])
        self.latent_scaling = float(vae["scaling_factor"])
        self.text_width = int(unet["cross_attention_dim"])
        sizes = 6 * int(unet.get("addition_time_embed_dim") or 0)
        self._pooled = int(unet.get("projection_class_embeddings_input_dim") or 0) - sizes

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all files that the weights come from; of the architecture, if random."""
        digest = hashlib.sha256()
        if self._source is None or hollow():
            digest.update(repr(sorted(self._architecture.items())).encode())
            return digest.hexdigest()
        for path in dict.fromkeys(path for part in PARTS for path in self._source.files(part)):
            with path.open("rb") as stream:
                while block := stream.read(1 << 22):
                    digest.update(block)
        return digest.hexdigest()

    def vae(self) -> AutoencoderKL:
        """The autoencoder, frozen; images in [-1, 1]. One that overflows in float16 is float32."""
        upcast = self._architecture["vae"].get("force_upcast", False)
        half = self._precision == torch.float16 and upcast
        return self._make(AutoencoderKL, "vae", torch.float32 if half else self._precision)

    def unet(self, *, shared: bool = False) -> UNet2DConditionModel:
        """The noise predictor, frozen, in layers of its own.

        Args:
            shared: Whether its weights may be those of others that were made so: one set then
                serves them all. They must not be changed in place.
        """
        return self._make(UNet2DConditionModel, "unet", self._precision, shared=shared)

    def condition(self) -> Condition:
        """Fresh learnable embeddings that stand in for a prompt."""
        return Condition(self.text_tokens, self.text_width, self._pooled)

    def alphas_cumprod(self) -> Tensor:
        """The scaled-linear schedule's ᾱ, `[1000]`, float64, on the processor."""
        return alphas_cumprod()

    def add_lora(
        self, module: nn.Module, rank: int, alpha: float, layers: str
    ) -> dict[str, nn.Parameter]:
        """Adds LoRA to the layers of a named list, in place; starts as identity."""
        return lora.add(module, rank, alpha, layers)

    def merge_lora(self, module: nn.Module) -> None:
        """Puts plain layers with the sum of both weights in place of those with LoRA."""
        lora.merge(module)

    def _make(
        self, model: type[_MODEL], part: Part, precision: torch.dtype, *, shared: bool = False
    ) -> _MODEL:
        network = self._empty(model, part, precision)
        identity = self._identity(part, precision) if shared else ()
        known = _living(identity, network) if shared else None
        if known:
            network.load_state_dict(known, assign=True)
        elif self._source and not hollow():
            state = self._source.read(part, network, precision)
            network.load_state_dict(state, assign=True)
        elif not hollow():
            network = _random(model, self._architecture[part])
            nn.Module.to(network, precision)  # diffusers' own warns where nothing is amiss
        network.eval().requires_grad_(False)
        if shared:
            _LIVING.update({(identity, name): each for name, each in network.named_parameters()})
        if self._checkpointing:
            network.enable_gradient_checkpointing()
        return network

    def _empty(self, model: type[_MODEL], part: Part, precision: torch.dtype) -> _MODEL:
        """The layers without values."""
        with made_in(precision), nullcontext() if hollow() else torch.device("meta"):
            return model.from_config(self._architecture[part])

    def _identity(self, part: Part, precision: torch.dtype) -> tuple[Any, ...]:
        """Equal for weights that are the same in the same place."""
        probe = torch.empty(0)
        place = probe.device.type
        if self._source is None or hollow():
            return self.name, repr(sorted(self._architecture[part].items())), precision, place
        facts = [(path.resolve(), path.stat()) for path in self._source.files(part)]
        files = tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in facts)
        return part, files, precision, place


_LIVING: weakref.WeakValueDictionary[tuple[Any, ...], nn.Parameter] = weakref.WeakValueDictionary()
"""Frozen weights that some network still holds, by identity and name."""


def _living(identity: tuple[Any, ...], network: nn.Module) -> dict[str, nn.Parameter] | None:
    """The weights of a shared network, if all of them are still there."""
    found = {name: _LIVING.get((identity, name)) for name, _ in network.named_parameters()}
    known = {name: parameter for name, parameter in found.items() if parameter is not None}
    return known if len(known) == len(found) else None


def _random(model: type[_MODEL], config: Mapping[str, Any]) -> _MODEL:
    """The architecture as it is initialised, under a seed of its own: always the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # a GPU's generators are left alone
        return model.from_config(config)


def alphas_cumprod() -> Tensor:
    """ᾱ of Stable Diffusion's scaled-linear schedule, `[1000]`, float64.

    Example:
        >>> round(alphas_cumprod()[399].rsqrt().item(), 3)  # the gain of eq. 1 at t = 399
        1.532
    """
    ends = _BETA_START**0.5, _BETA_END**0.5
    roots = torch.linspace(*ends, TRAIN_TIMESTEPS, dtype=torch.float64, device="cpu")
    return (1 - roots.square()).cumprod(0)
