"""3x3 convolutions with a quarter of the multiplications (Winograd; Lavin and Gray, 2015).

F(4x4, 3x3): a tile of 6x6 inputs gives 4x4 outputs by 36 products instead of 144, which is faster
on a CPU for many channels. The interpolation points are 0, ±√½, ±√2 and infinity; their rounding
error, about 3e-6 of the largest output, is half that of the usual 0, ±1, ±2 and infinity.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_NEAR, _FAR = 0.5**0.5, 2.0**0.5
_KERNEL = (
    (1, 0, 0),
    (-2 / 3, -2 / 3 * _NEAR, -1 / 3),
    (-2 / 3, 2 / 3 * _NEAR, -1 / 3),
    (1 / 6, _FAR / 6, 1 / 3),
    (1 / 6, -_FAR / 6, 1 / 3),
    (0, 0, 1),
)
_FLIPPED = ((5, 1.0), (3, -2.0), (4, -2.0), (1, -0.5), (2, -0.5), (0, 1.0))
"""The row of a kernel's transform that is a row of the flipped kernel's, and by which factor: a
flipped polynomial has the values of the original at the reciprocal points."""
_WIDE, _TILES = 384, 64
"""Measured minimum of channels (in plus out) and of tiles from which it is faster."""
_BAND_BYTES = 2**23
"""Size of the tiles processed at a time, which must fit in the processor's cache."""


def pays(inputs: int, outputs: int, batch: int, height: int, width: int) -> bool:
    """Whether `convolve` is faster than `conv2d` for `[batch, inputs, height, width]`."""
    return inputs + outputs >= _WIDE and batch * height * width // 16 >= _TILES


def transform(weight: Tensor) -> Tensor:
    """Transforms weights, `[out, in, 3, 3]`, to the matrices that `convolve` takes.

    Returns:
        `[36, in, out]`.
    """
    outputs, inputs = weight.shape[:2]
    kernel = torch.tensor(_KERNEL, dtype=torch.float64, device=weight.device)
    both = torch.kron(kernel, kernel).to(weight.dtype)
    return (both @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(36, inputs, outputs)


def convolve(
    x: Tensor, matrices: Tensor, bias: Tensor | None = None, *, transposed: bool = False
) -> Tensor:
    """Computes `conv2d(x, weight, bias, padding=1)` from `transform(weight)`.

    Works on bands of rows, to save memory.

    Args:
        x: `[b, in, h, w]`.
        matrices: The transformed weights.
        bias: `[out]`.
        transposed: Computes `conv_transpose2d` instead: from a gradient of the output,
            `[b, out, h, w]`, that of the input.

    Returns:
        `[b, c, h, w]`, channels last.
    """
    batch, channels, height, width = x.shape
    outputs = matrices.shape[1 if transposed else 2]
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    out = x.new_empty(batch, height, width, outputs)
    row_bytes = 36 * batch * -(-width // 4) * max(channels, outputs) * x.element_size()
    rows = 4 * max(1, _BAND_BYTES // row_bytes)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        band = _band(padded[:, top : bottom + 2], matrices, transposed=transposed)
        out[:, top:bottom] = band if bias is None else band.add_(bias)
    return out.permute(0, 3, 1, 2)


def _band(padded: Tensor, matrices: Tensor, *, transposed: bool) -> Tensor:
    """Convolves padded rows, `[b, h + 2, w + 2, in]`, to `[b, h, w, out]`."""
    batch, height, width, channels = padded.shape
    height, width = height - 2, width - 2
    down, across = -(-height // 4), -(-width // 4)
    if height % 4 or width % 4:
        padded = F.pad(padded, (0, 0, 0, 4 * across - width, 0, 4 * down - height))
    tiles = padded.new_empty(6, 6, batch, down, across, channels)
    rows = [padded[:, i : i + 4 * down - 3 : 4] for i in range(6)]
    halfway = padded.new_empty(6, batch, down, *padded.shape[2:])
    _inputs(rows, halfway)
    columns = [halfway[:, :, :, j : j + 4 * across - 3 : 4] for j in range(6)]
    _inputs(columns, tiles.transpose(0, 1))
    multiply = _multiply_flipped if transposed else torch.bmm
    products = multiply(tiles.view(36, -1, channels), matrices)
    products = products.view(6, 6, batch, down, across, -1)
    halfway = padded.new_empty(4, *products.shape[1:])
    _outputs(products, halfway)
    out = padded.new_empty(batch, down, 4, across, 4, products.shape[-1])
    _outputs(halfway.transpose(0, 1), out.permute(4, 2, 0, 1, 3, 5))
    return out.view(batch, 4 * down, 4 * across, -1)[:, :height, :width]


def _multiply_flipped(tiles: Tensor, matrices: Tensor) -> Tensor:
    """Multiplies by the matrices of the flipped, transposed kernels, which are not stored."""
    products = tiles.new_empty(36, tiles.shape[1], matrices.shape[1])
    for i, (row, down) in enumerate(_FLIPPED):
        for j, (column, across) in enumerate(_FLIPPED):
            out, matrix = products[6 * i + j], matrices[6 * row + column]
            factor = down * across
            torch.addmm(out, tiles[6 * i + j], matrix.t(), beta=0, alpha=factor, out=out)
    return products


def _inputs(d: Sequence[Tensor], out: Tensor) -> None:
    """Transforms six lines of inputs along one side."""
    even, odd = torch.sub(d[4], d[2], alpha=2), torch.sub(d[3], d[1], alpha=2)
    torch.add(even, odd, alpha=_NEAR, out=out[1])
    torch.sub(even, odd, alpha=_NEAR, out=out[2])
    torch.sub(d[4], d[2], alpha=0.5, out=even)
    torch.sub(d[3], d[1], alpha=0.5, out=odd)
    torch.add(even, odd, alpha=_FAR, out=out[3])
    torch.sub(even, odd, alpha=_FAR, out=out[4])
    torch.sub(d[4], d[2], alpha=2.5, out=out[0]).add_(d[0])
    torch.sub(d[5], d[3], alpha=2.5, out=out[5]).add_(d[1])


def _outputs(m: Tensor, out: Tensor) -> None:
    """Transforms six lines of products to four lines of outputs along one side."""
    near_sum, near_difference = m[1] + m[2], m[1] - m[2]
    far_sum, far_difference = m[3] + m[4], m[3] - m[4]
    torch.add(near_sum, far_sum, out=out[0]).add_(m[0])
    torch.mul(near_difference, _NEAR, out=out[1]).add_(far_difference, alpha=_FAR)
    torch.mul(near_sum, 0.5, out=out[2]).add_(far_sum, alpha=2)
    torch.add(m[5], near_difference, alpha=_NEAR / 2, out=out[3])
    out[3].add_(far_difference, alpha=2 * _FAR)
