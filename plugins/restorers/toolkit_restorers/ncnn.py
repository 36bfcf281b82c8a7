"""Weights of convolutions as ncnn's `.bin` files hold them, one after the other.

Each is a tag, the kernel, in half precision where the tag says so, and a bias in single precision.
What a kernel's shape is stands elsewhere, in the `.param` file: here the network knows it.

Source: ncnn's `modelbin.cpp`, https://github.com/Tencent/ncnn
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from toolkit.errors import WeightsError

_HALF, _SINGLE = 0x01306B47, 0


def read_convolutions(
    data: bytes, shapes: Iterable[tuple[int, ...]]
) -> list[tuple[Tensor, Tensor]]:
    """Kernels and biases, float32, of convolutions with these kernels `(out, in, h, w)`, in order.

    Raises:
        WeightsError: The file holds other convolutions than these.

    Example:
        >>> data = np.array([0], "<u4").tobytes() + np.array([2, 3], "<f4").tobytes()
        >>> read_convolutions(data, [(1, 1, 1, 1)])
        [(tensor([[[[2.]]]]), tensor([3.]))]
    """
    found, place = [], 0
    for shape in shapes:
        tag, place = _take(data, place, "<u4", 1)
        if tag[0] not in (_HALF, _SINGLE):
            raise WeightsError(f"ncnn weights of an unknown form: tag {int(tag[0]):#x}")
        kernel, place = _take(data, place, "<f2" if tag[0] == _HALF else "<f4", math.prod(shape))
        place += -place % 4
        bias, place = _take(data, place, "<f4", shape[0])
        weight = torch.from_numpy(kernel.astype(np.float32)).view(shape)
        found.append((weight, torch.from_numpy(bias.astype(np.float32))))
    if place != len(data):
        raise WeightsError(f"ncnn weights with {len(data) - place} bytes more than the network has")
    return found


def _take(data: bytes, place: int, kind: str, count: int) -> tuple[NDArray[Any], int]:
    end = place + count * np.dtype(kind).itemsize
    if end > len(data):
        raise WeightsError("ncnn weights that are cut short, or of a smaller network")
    return np.frombuffer(data, kind, count, place), end
