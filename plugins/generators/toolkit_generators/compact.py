"""Compact trained weights: 8-bit differences from the backbone's weights, with a scale per row."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, int8

_INT8, _SCALE = "/int8", "/scale"
_INT8_MAX = 127


def compact(state: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Quantises a state: matrices in `base` to 8-bit differences, all other tensors to float16.

    The error of a difference is at most 1/254 of the largest difference in its row.

    Args:
        state: Trained weights by name.
        base: Weights before training, by the same names; may be incomplete.
    """
    compacted: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name not in base or tensor.ndim < 2:
            compacted[name] = tensor.half()
            continue
        rows = (tensor.float() - base[name].float()).flatten(1)
        scale = rows.abs().amax(dim=1, keepdim=True) / _INT8_MAX
        levels = (rows / scale.clamp(min=1e-30)).round()
        compacted[name + _INT8] = levels.to(int8).view_as(tensor)
        compacted[name + _SCALE] = scale
    return compacted


def expand(compacted: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Reverses `compact`; tensors that are not quantised are returned unchanged."""
    state: dict[str, Tensor] = {}
    for key, tensor in compacted.items():
        if key.endswith(_INT8):
            name = key.removesuffix(_INT8)
            rows = tensor.float().flatten(1) * compacted[name + _SCALE].to(tensor.device)
            state[name] = base[name].float().to(tensor.device) + rows.view_as(tensor)
        elif not key.endswith(_SCALE):
            state[key] = tensor
    return state


def is_compact(state: Mapping[str, Tensor]) -> bool:
    """Returns whether a state holds differences, for which `expand` needs the base weights."""
    return any(name.endswith(_INT8) for name in state)
