"""BSRNet, which removes degradations and enlarges by 4 before diffusion adds details.

RRDBNet, trained for PSNR; the implementation is spandrel's. Source: K. Zhang et al., Designing a
Practical Degradation Model for Deep Blind Image Super-Resolution, 2021.
"""

from __future__ import annotations

import re

from spandrel.architectures.ESRGAN import ESRGAN
from torch import Tensor, nn

from toolkit.plugin import Checkpoint, fill
from toolkit_peers.latent_tiles import blended, sliding
from toolkit_peers.making import making

SCALE = 4
_TILE = 512
"""Side of a tile in LR pixels."""
_DENSE = re.compile(r"model\.1\.sub\.(\d+)\.(RDB\d\.conv\d)\.0")
_OUTER = {
    "model.0": "conv_first", "model.3": "upconv1", "model.6": "upconv2",
    "model.8": "HRconv", "model.10": "conv_last",
}  # fmt: skip


def bsrnet(
    width: int = 64, blocks: int = 23, growth: int = 32, *, hollow: bool = False
) -> nn.Module:
    """Makes the network with random weights or, if hollow, on the meta device.

    Args:
        width: Channels between blocks.
        blocks: Number of blocks, of three dense ones each.
        growth: Channels that a convolution in a dense block adds.
        hollow: Whether its tensors have no values.
    """
    with making(hollow=hollow):
        return _made(width, blocks, growth)


def _made(width: int, blocks: int, growth: int) -> nn.Module:
    network: nn.Module = ESRGAN(num_filters=width, num_blocks=blocks)
    trunk = network.get_submodule("model.1.sub")
    for index in range(blocks):  # the class has no parameter for the growth
        block_type = type(trunk.get_submodule(str(index)))
        setattr(trunk, str(index), block_type(width, gc=growth))
    return network.eval().requires_grad_(requires_grad=False)


def read_bsrnet(network: nn.Module, checkpoint: Checkpoint) -> None:
    """Gives the network the weights of `BSRNet.pth`.

    Raises:
        WeightsError: A tensor is missing, unexpected or of another shape.
    """
    values = fill(network.state_dict(), checkpoint, lambda name: [_original(name)])
    network.load_state_dict(values, assign=True)
    network.requires_grad_(requires_grad=False)


def _original(name: str) -> str:
    stem, _, kind = name.rpartition(".")
    if match := _DENSE.fullmatch(stem):
        return f"RRDB_trunk.{match[1]}.{match[2]}.{kind}"
    return f"{_OUTER.get(stem, 'trunk_conv')}.{kind}"


def cleaned(network: nn.Module, lr: Tensor, tile: int = _TILE) -> Tensor:
    """Enlarges by 4, in tiles that overlap by half.

    Args:
        network: See `bsrnet`.
        lr: `[b, 3, h, w]` in [0, 1].
        tile: Side of a tile in LR pixels; 0 for none, as if a side of `lr` is shorter.

    Returns:
        `[b, 3, 4h, 4w]`, float32, about [0, 1].
    """
    precision = next(network.parameters()).dtype
    if not tile:
        whole: Tensor = network(lr.to(precision))
        return whole.float()
    boxes = sliding(lr.shape[2], lr.shape[3], tile, tile // 2)
    return blended(boxes, lambda box: cleaned(network, box.crop(lr), tile=0), SCALE)
