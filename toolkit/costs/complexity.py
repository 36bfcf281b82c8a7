"""Parameters and multiply-accumulates of a system, counted on the meta device.

Two conventions are told apart. "paper" is that of Table 3: convolutions and linear layers alone
count, and of the parameters GroupNorm's and the condition's embeddings are left out. "everything"
counts every parameter, and the products of attention, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

import torch
from torch import Tensor, nn

from toolkit.costs.counting import Meter

Convention = Literal["paper", "everything"]
CONVENTIONS: tuple[Convention, ...] = ("paper", "everything")
CONDITION = "condition"
"""The network whose parameters are embeddings that stand in for a prompt."""


class Countable(Protocol):
    """A system that can be counted: one that names its networks."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """All networks that take part, by name."""
        ...


@dataclass(frozen=True)
class Complexity:
    """Costs of a system.

    Attributes:
        parameters: How many there are.
        macs: Multiply-accumulates of one call.
    """

    parameters: int
    macs: int


def complexity(system: Countable, work: Callable[[], object]) -> dict[Convention, Complexity]:
    """Counts the parameters of a system and the operations of `work`, in both conventions."""
    with torch.no_grad(), _Layers(system.networks) as layers, Meter() as meter:
        work()
    return {
        "paper": Complexity(count_parameters(system, "paper"), layers.macs),
        "everything": Complexity(count_parameters(system, "everything"), meter.macs),
    }


def count_parameters(
    system: Countable,
    convention: Convention = "everything",
    only: Callable[[nn.Parameter], bool] = lambda _parameter: True,
) -> int:
    """Counts each parameter once, even if shared; with `only`, those for which it returns True."""
    found = {id(each): each.numel() for each in _counted(system.networks, convention) if only(each)}
    return sum(found.values())


class _Layers:
    """Counts multiply-accumulates of convolutions and linear layers within its block."""

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        self.macs = 0
        self._networks = networks
        self._hooks: list[Any] = []

    def __enter__(self) -> Self:
        for network in self._networks.values():
            for module in network.modules():
                if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
                    self._hooks.append(module.register_forward_hook(self._count))
        return self

    def __exit__(self, *_error: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _count(self, layer: Any, _inputs: object, output: Tensor) -> None:
        # Each output is one row of weights, times what it sees.
        self.macs += output.numel() * (layer.weight.numel() // layer.weight.shape[0])


def _counted(networks: Mapping[str, nn.Module], convention: Convention) -> Iterator[nn.Parameter]:
    for name, network in networks.items():
        if convention == "paper" and name == CONDITION:
            continue
        for module in network.modules():
            if convention == "everything" or not isinstance(module, nn.GroupNorm):
                yield from module.parameters(recurse=False)
