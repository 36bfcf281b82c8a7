"""Reads convolution weights from ncnn's `.bin` files.

For each convolution, a file contains a tag, the kernel in half or single precision as the tag
says, and the bias in single precision. Shapes are not stored: ncnn has them in the `.param` file.

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

from toolkit.plugin import WeightsError

_HALF, _SINGLE = 0x01306B47, 0


def read_convolutions(
    data: bytes, shapes: Iterable[tuple[int, ...]]
) -> list[tuple[Tensor, Tensor]]:
    """Returns kernels and biases, float32, for kernel shapes `(out, in, h, w)` in order.

    Raises:
        WeightsError: The data does not fit the shapes.

    Example:
        >>> data = np.array([0], "<u4").tobytes() + np.array([2, 3], "<f4").tobytes()
        >>> read_convolutions(data, [(1, 1, 1, 1)])
        [(tensor([[[[2.]]]]), tensor([3.]))]
    """
    convolutions, offset = [], 0
    for shape in shapes:
        tag, offset = _read(data, offset, "<u4", 1)
        if tag[0] not in (_HALF, _SINGLE):
            raise WeightsError(f"ncnn weights with an unknown tag: {int(tag[0]):#x}")
        kernel, offset = _read(data, offset, "<f2" if tag[0] == _HALF else "<f4", math.prod(shape))
        offset += -offset % 4
        bias, offset = _read(data, offset, "<f4", shape[0])
        weight = torch.from_numpy(kernel.astype(np.float32)).view(shape)
        convolutions.append((weight, torch.from_numpy(bias.astype(np.float32))))
    if offset != len(data):
        raise WeightsError(f"ncnn weights with {len(data) - offset} bytes too many for the network")
    return convolutions


def _read(data: bytes, offset: int, dtype: str, count: int) -> tuple[NDArray[Any], int]:
    end = offset + count * np.dtype(dtype).itemsize
    if end > len(data):
        raise WeightsError("ncnn weights that are truncated, or of a smaller network")
    return np.frombuffer(data, dtype, count, offset), end
