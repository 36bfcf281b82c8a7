"""Latent diffusion models as backbones."""

from __future__ import annotations

import functools
import hashlib
import weakref
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn

from toolkit.plugin import UsageError
from toolkit_backbones import lora
from toolkit_backbones.architecture import PARTS, Architecture, Part
from toolkit_backbones.condition import Condition
from toolkit_backbones.convolution import use_products
from toolkit_backbones.precision import default_dtype
from toolkit_backbones.shipped import is_second_half
from toolkit_backbones.sources import Source

TRAIN_TIMESTEPS = 1000
_BETA_START, _BETA_END = 0.00085, 0.012
_MODEL = TypeVar("_MODEL", AutoencoderKL, UNet2DConditionModel)


class LatentDiffusion:
    """A `Backbone` with diffusers' `AutoencoderKL` and `UNet2DConditionModel`.

    Weights are read when a part is first used.

    Args:
        name: Name of the backbone.
        architecture: Configurations of the parts.
        source: Source of the weights; None for random, but deterministic, weights.
        precision: Data type of frozen weights.
        checkpointing: Whether to use gradient checkpointing: less memory for about a third more
            computation.
        hollow: Whether to create parts on the meta device, without reading weights.
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
        hollow: bool = False,
    ) -> None:
        self.name = name
        self._architecture, self._source = architecture, source
        self._precision, self._checkpointing = precision, checkpointing
        self._hollow = hollow
        vae, unet = architecture["vae"], architecture["unet"]
        self.factor = 2 ** (len(vae["block_out_channels"]) - 1)
        self.latent_channels = int(vae["latent_channels"])
        self.latent_scaling = float(vae["scaling_factor"])
        self.text_width = int(unet["cross_attention_dim"])
        sizes = 6 * int(unet.get("addition_time_embed_dim") or 0)
        self._pooled = int(unet.get("projection_class_embeddings_input_dim") or 0) - sizes

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all weight files; of the architecture if weights are random."""
        digest = hashlib.sha256()
        if self._source is None or self._hollow:
            digest.update(repr(sorted(self._architecture.items())).encode())
            return digest.hexdigest()
        for path in dict.fromkeys(path for part in PARTS for path in self._source.files(part)):
            with path.open("rb") as stream:
                while block := stream.read(1 << 22):
                    digest.update(block)
        return digest.hexdigest()

    def vae(self) -> AutoencoderKL:
        """Returns the frozen autoencoder; float32 instead of float16 if that would overflow."""
        overflows = self._architecture["vae"].get("force_upcast", False)
        upcast = self._precision == torch.float16 and overflows
        return self._make(AutoencoderKL, "vae", torch.float32 if upcast else self._precision)

    def unet(self, *, shared: bool = False) -> UNet2DConditionModel:
        """Returns the frozen noise predictor, with separate modules for each call.

        Args:
            shared: Whether to share weights with other UNets created with `shared`. They must not
                be modified in place.
        """
        return self._make(UNet2DConditionModel, "unet", self._precision, shared=shared)

    def condition(self) -> Condition:
        """Creates learnable embeddings that replace a prompt."""
        return Condition(self.text_tokens, self.text_width, self._pooled)

    def alphas_cumprod(self) -> Tensor:
        """Returns ᾱ of the scaled-linear schedule, `[1000]`, float64, on the CPU."""
        return alphas_cumprod()

    def add_lora(
        self, module: nn.Module, rank: int, alpha: float, layers: str
    ) -> dict[str, nn.Parameter]:
        """Adds LoRA in place; see `lora.add`."""
        return lora.add(module, rank, alpha, layers)

    def merge_lora(self, module: nn.Module) -> None:
        """Merges LoRA in place; see `lora.merge`."""
        lora.merge(module)

    def _make(
        self, model: type[_MODEL], part: Part, precision: torch.dtype, *, shared: bool = False
    ) -> _MODEL:
        network = self._empty(model, part, precision)
        identity = self._identity(part, precision) if shared else ()
        weights = _shared_weights(identity, network) if shared else None
        if weights:
            network.load_state_dict(weights, assign=True)
        elif not self._hollow:
            network = self._load(network, model, part, precision)
        network.eval().requires_grad_(False)
        use_products(network)
        if shared:
            _SHARED.update({(identity, name): value for name, value in network.named_parameters()})
        if self._checkpointing:
            network.enable_gradient_checkpointing()
        return network

    def _empty(self, model: type[_MODEL], part: Part, precision: torch.dtype) -> _MODEL:
        """Creates a network on the meta device."""
        with default_dtype(precision), torch.device("meta"):
            return model.from_config(self._architecture[part])

    def _load(
        self, network: _MODEL, model: type[_MODEL], part: Part, precision: torch.dtype
    ) -> _MODEL:
        """Returns the network with weights from the source, or random ones."""
        if self._source:
            weights = self._source.read(part, network, precision)
            if not weights.keys() >= network.state_dict().keys():
                network = _first_half(network)
            network.load_state_dict(weights, assign=True)
            return network
        network = _random(model, self._architecture[part])
        nn.Module.to(network, precision)  # diffusers' override gives an unfounded warning
        return network

    def _identity(self, part: Part, precision: torch.dtype) -> tuple[Any, ...]:
        """Returns a key that is equal for the same weights on the same device."""
        device = "meta" if self._hollow else torch.get_default_device().type
        if self._source is None or self._hollow:
            return self.name, repr(sorted(self._architecture[part].items())), precision, device
        stats = [(path.resolve(), path.stat()) for path in self._source.files(part)]
        files = tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats)
        return part, files, precision, device


_SHARED: weakref.WeakValueDictionary[tuple[Any, ...], nn.Parameter] = weakref.WeakValueDictionary()
"""Shared frozen weights that a network still references, by identity and name."""


def _shared_weights(
    identity: tuple[Any, ...], network: nn.Module
) -> dict[str, nn.Parameter] | None:
    """Returns the weights of a shared network, if all of them are still referenced."""
    cached = {name: _SHARED.get((identity, name)) for name, _ in network.named_parameters()}
    weights = {name: parameter for name, parameter in cached.items() if parameter is not None}
    return weights if len(weights) == len(cached) else None


def _first_half(network: _MODEL) -> _MODEL:
    """Removes what follows the middle block of a UNet; it can then be a trunk, but not predict."""

    def refuse(*_: object, **__: object) -> None:
        raise UsageError(
            "This backbone has only the half of a UNet that discriminators use.",
            "Train the generator on another one: --backbone pocket",
        )

    for part in [part for part, _ in network.named_children() if is_second_half(part)]:
        delattr(network, part)
    network.forward = refuse
    return network


def _random(model: type[_MODEL], config: Mapping[str, Any]) -> _MODEL:
    """Creates a network with random weights from a fixed seed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # does not affect GPU generators
        return model.from_config(config)


def alphas_cumprod() -> Tensor:
    """Returns ᾱ of Stable Diffusion's scaled-linear schedule, `[1000]`, float64.

    Example:
        >>> round(alphas_cumprod()[399].rsqrt().item(), 3)
        1.532
    """
    ends = _BETA_START**0.5, _BETA_END**0.5
    roots = torch.linspace(*ends, TRAIN_TIMESTEPS, dtype=torch.float64, device="cpu")
    return (1 - roots.square()).cumprod(0)
