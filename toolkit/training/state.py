"""Optimiser state as plain tensors, by parameter name."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from toolkit.errors import CheckpointError


def optimizer_state(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """Returns the optimiser's state of each parameter, as `name:key`."""
    return {
        f"{name}:{key}": torch.as_tensor(value)
        for name, parameter in parameters.items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def load_optimizer_state(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    state: Mapping[str, Tensor],
) -> None:
    """Loads what `optimizer_state` returned.

    Raises:
        CheckpointError: It belongs to other parameters.
    """
    for label, tensor in state.items():
        name, _, key = label.rpartition(":")
        if name not in parameters:
            raise CheckpointError(f"The optimiser's state has {name}, which is not trained here.")
        parameter = parameters[name]
        if tensor.ndim == 0 and not tensor.is_floating_point():
            optimizer.state[parameter][key] = tensor.item()  # the 8-bit AdamW's count of steps
            continue
        # AdamW counts its steps on the CPU unless it is fused; all else lies beside its parameter.
        on_cpu = key == "step" and not optimizer.param_groups[0].get("fused")
        device = torch.device("cpu") if on_cpu else parameter.device
        # A copy: what safetensors gives may lie in the file itself.
        optimizer.state[parameter][key] = tensor.to(device, copy=True)
