"""Trained weights in few bytes: 8-bit differences to the backbone's own, a scale for each row."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, int8

_STEPS, _SCALE = "/int8", "/scale"
_MOST = 127


def compact(state: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rounds a state: matrices of `base` to differences in 8 bits, everything else to float16.

    A difference is off by at most 1/254 of the largest in its row.

    Args:
        state: Trained weights by name.
        base: The weights that training began with, by the same names; others may be missing.
    """
    kept: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name not in base or tensor.ndim < 2:
            kept[name] = tensor.half()
            continue
        rows = (tensor.float() - base[name].float()).flatten(1)
        scale = rows.abs().amax(dim=1, keepdim=True) / _MOST
        steps = (rows / scale.clamp(min=1e-30)).round()
        kept[name + _STEPS], kept[name + _SCALE] = steps.to(int8).view_as(tensor), scale
    return kept


def expand(kept: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undoes `compact`; a state that was never compact comes back as it is."""
    state: dict[str, Tensor] = {}
    for name, tensor in kept.items():
        if name.endswith(_STEPS):
            own = name.removesuffix(_STEPS)
            rows = tensor.float().flatten(1) * kept[own + _SCALE].to(tensor.device)
            state[own] = base[own].float().to(tensor.device) + rows.view_as(tensor)
        elif not name.endswith(_SCALE):
            state[name] = tensor
    return state


def is_compact(state: Mapping[str, Tensor]) -> bool:
    """Whether a state holds differences, so that `expand` needs the weights that they refer to."""
    return any(name.endswith(_STEPS) for name in state)
