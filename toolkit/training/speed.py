"""Options that trade precision, memory or the time of the first steps for speed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from toolkit.errors import UsageError
from toolkit.recipe import Training
from toolkit.training.ranks import Ranks

_LARGE = 1 << 20
"""Number of frozen weights from which sharding a block is worth its messages."""


def make_optimizer(
    parameters: Mapping[str, nn.Parameter], rate: float, settings: Training
) -> torch.optim.Optimizer:
    """Returns AdamW for the parameters, as the settings have it.

    Raises:
        UsageError: bitsandbytes, which supplies the 8-bit optimiser, is not installed, or the
            device has no fused kernel.
    """
    decay = settings.weight_decay
    if settings.optimizer == "adamw":
        fused = settings.fused or None
        try:
            return torch.optim.AdamW(parameters.values(), lr=rate, weight_decay=decay, fused=fused)
        except RuntimeError as error:
            raise UsageError(
                f"train.fused=true does not work here: {_first_line(error)}",
                "Leave it out: --set train.fused=false",
            ) from None
    try:
        bitsandbytes: Any = importlib.import_module("bitsandbytes")
    except ImportError:
        raise UsageError(
            "train.optimizer=adamw-8bit needs bitsandbytes, which is not installed.",
            "Install it: pip install bitsandbytes, or use --set train.optimizer=adamw",
        ) from None
    adamw = bitsandbytes.optim.AdamW8bit
    made: torch.optim.Optimizer = adamw(parameters.values(), lr=rate, weight_decay=decay)
    return made


def prepare(networks: Mapping[str, nn.Module], settings: Training) -> None:
    """Lays out and compiles networks in place, as the settings have it."""
    for network in networks.values():
        if settings.channels_last:
            network.to(memory_format=torch.channels_last)
        if settings.compile:
            network.compile()


def check_compiler(device: torch.device) -> None:
    """Compiles something small, as networks are compiled no sooner than in the first step.

    Raises:
        UsageError: PyTorch cannot compile for this device, as without a C++ compiler.
    """
    try:
        torch.compile(_increased)(torch.ones(2, device=device))
    except Exception as error:  # noqa: BLE001 - it may be of any library behind it
        raise UsageError(
            f"train.compile=true does not work here: {_first_line(error)}",
            "Install a C++ compiler, such as g++ (and Triton for a GPU), or leave it out: "
            "--set train.compile=false",
        ) from None


def _increased(x: torch.Tensor) -> torch.Tensor:
    return x + 1


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


@contextmanager
def matrix_precision(settings: Training) -> Iterator[None]:
    """Allows TensorFloat-32 for the duration of a block, if the settings do."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    if settings.tf32:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def shard(networks: Sequence[nn.Module], kept: Sequence[nn.Parameter], ranks: Ranks) -> None:
    """Shards the frozen weights of large blocks over all ranks, in place.

    A block's weights are gathered while it computes. Blocks are the elements of module lists, such
    as a UNet's resolutions.

    Args:
        networks: Their blocks are sharded.
        kept: Parameters that stay whole on every rank: those that are trained.
        ranks: The processes.

    Raises:
        UsageError: There is only one process.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    if ranks.size == 1:
        raise UsageError(
            "train.shard shards weights over several processes, and there is one.",
            "Start several: torchrun --nproc-per-node=2 -m toolkit train …",
        )
    mesh: Any = init_device_mesh(ranks.device.type, (ranks.size,))
    whole = set(kept)
    for block in blocks(networks):
        frozen = [each for each in block.parameters() if each not in whole]
        if sum(each.numel() for each in frozen) >= _LARGE:
            # Each block is a root of its own, which by default stays gathered once it was used.
            fully_shard(
                block,
                mesh=mesh,
                reshard_after_forward=True,
                ignored_params=whole & set(block.parameters()),
            )


def blocks(networks: Sequence[nn.Module]) -> Iterator[nn.Module]:
    """Yields the outermost elements of module lists."""
    for network in networks:
        for child in network.children():
            if isinstance(child, nn.ModuleList):
                yield from filter(None, child)  # a block may have no attention, for example
            else:
                yield from blocks([child])
