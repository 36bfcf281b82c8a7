"""LoRA (Hu et al., 2021) of published files, in peft's layout."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from toolkit.plugin import Checkpoint, WeightsError, fill

Adapters = Mapping[str, Sequence[str]]
"""Names of the layers that each adapter changes."""
_KEY = re.compile(r"(?P<layer>.+)\.lora_A\.(?P<adapter>[^.]+)\.weight")


def inject(network: nn.Module, adapters: Adapters, rank: int, alpha: float) -> None:
    """Adds adapters to a network in place, all of them active, without meaningful values.

    Args:
        network: Without LoRA.
        adapters: Layers by adapter; several adapters may change the same layer.
        rank: Rank of all.
        alpha: The product of the factors is scaled by `alpha / rank`.
    """
    meta = next(network.parameters()).is_meta
    for adapter, layers in adapters.items():
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(layers))
        inject_adapter_in_model(config, network, adapter, low_cpu_mem_usage=meta)
        # Else peft warns at the next adapter.
        del network.peft_config
    activate(network, adapters)
    network.eval().requires_grad_(requires_grad=False)


def activate(network: nn.Module, adapters: Iterable[str]) -> None:
    """Makes these adapters active, and no others."""
    wanted = list(adapters)
    for layer in network.modules():
        if isinstance(layer, BaseTunerLayer):
            there: Any = layer.lora_A
            layer.set_adapter([each for each in wanted if each in there])


def load(network: nn.Module, checkpoint: Checkpoint, replaced: Iterable[str] = ()) -> None:
    """Gives the adapters of a network the values of a file.

    Args:
        network: After `inject`.
        checkpoint: Supplies both factors of every layer, and nothing else.
        replaced: Names of layers that the file replaces as a whole, beside their LoRA.

    Raises:
        WeightsError: A tensor is missing, unexpected or of another shape.
    """
    whole, state = set(replaced), network.state_dict()
    names = {
        name: each for name, each in state.items() if ".lora_" in name or _layer(name) in whole
    }
    values = fill(names, checkpoint, lambda name: (name, name.replace(".base_layer.", ".")))
    like = {name: values[name].to(each.dtype) for name, each in names.items()}
    network.load_state_dict(like, strict=False, assign=True)
    network.requires_grad_(requires_grad=False)


def randomise(network: nn.Module) -> None:
    """Gives the adapters small random values from a fixed seed."""
    stream = torch.Generator().manual_seed(0)
    for name, parameter in network.named_parameters():
        if ".lora_" in name and not parameter.is_meta:
            parameter.data.normal_(std=0.02, generator=stream)


def replaced_by(checkpoint: Checkpoint) -> set[str]:
    """Names of the layers that a file replaces as a whole."""
    return {_layer(name) for name in checkpoint.names if ".lora_" not in name}


def adapters_of(checkpoint: Checkpoint) -> tuple[dict[str, list[str]], int]:
    """Finds the layers of each adapter in a file, and their common rank.

    Raises:
        WeightsError: It holds no LoRA in peft's layout, or ranks differ.
    """
    found: dict[str, list[str]] = {}
    ranks: dict[int, str] = {}
    for name in checkpoint.names:
        if match := _KEY.fullmatch(name):
            found.setdefault(match["adapter"], []).append(match["layer"])
            ranks.setdefault(len(checkpoint[name]), name)
    if not found:
        raise WeightsError(
            f"{checkpoint.label} holds no LoRA in peft's layout, with names in "
            "lora_A.weight and lora_B.weight.",
            "Name a LoRA file for Stable Diffusion 2.1's UNet.",
        )
    if len(ranks) > 1:
        listed = ", ".join(f"{rank} in {name}" for rank, name in ranks.items())
        raise WeightsError(f"The LoRA of {checkpoint.label} has several ranks: {listed}.")
    return found, next(iter(ranks))


def check_rank(checkpoint: Checkpoint, rank: int) -> None:
    """Raises `WeightsError`, naming a tensor, if a file's LoRA has another rank."""
    for name in checkpoint.names:
        if _KEY.fullmatch(name) and len(checkpoint[name]) != rank:
            raise WeightsError(
                f"{name} in {checkpoint.label} has rank {len(checkpoint[name])}, not {rank}.",
                "For another LoRA: --with lora-file:FILE",
            )


def _layer(name: str) -> str:
    """The layer that a tensor belongs to."""
    return name.rpartition(".")[0].removesuffix(".base_layer")
