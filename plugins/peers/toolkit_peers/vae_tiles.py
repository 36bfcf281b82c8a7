"""Stable Diffusion's autoencoder in tiles, as in OSEDiff and SeeSR.

All tiles pass through the network in lock step: group normalisation uses statistics of all tiles,
so that they agree in brightness and contrast. The mid block's attention stays within a tile.

The networks are diffusers' `AutoencoderKL`, with or without LoRA by peft.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from toolkit_peers.latent_tiles import Box

ENCODER_PAD = 32
"""Overlap of the encoder's tiles on each side, in pixels of the image."""
DECODER_PAD = 11
"""Overlap of the decoder's tiles on each side, in pixels of the latent."""
_FACTOR = 8
_Layer = Callable[[Tensor], Tensor]


def encode_moments(vae: Any, image: Tensor, tile: int = 1024) -> Tensor:
    """Encodes an image, in tiles if it is large.

    Args:
        vae: diffusers' `AutoencoderKL`.
        image: `[b, 3, h, w]` in [-1, 1]; the sides are multiples of 8.
        tile: Side of a tile without its overlaps, in pixels; a multiple of 8. An image is tiled if
            a side exceeds `tile + 2 * ENCODER_PAD`.

    Returns:
        Mean and log-variance of the unscaled latent, `[b, 8, h / 8, w / 8]`.
    """
    height, width = image.shape[2:]
    if max(height, width) <= tile + 2 * ENCODER_PAD:
        encoded = vae.encoder(image)
    else:
        inputs, cores = boxes(height, width, tile, ENCODER_PAD)
        tiles = _encoded(vae.encoder, [box.crop(image) for box in inputs])
        origins = [(box.top // _FACTOR, box.left // _FACTOR) for box in inputs]
        targets = [Box(*(side // _FACTOR for side in core)) for core in cores]
        encoded = _assembled(tiles, origins, targets)
    moments: Tensor = vae.quant_conv(encoded)
    return moments


def decode(vae: Any, latent: Tensor, tile: int = 224) -> Tensor:
    """Decodes a latent, in tiles if it is large.

    Args:
        vae: diffusers' `AutoencoderKL`.
        latent: Unscaled latent, `[b, 4, h, w]`: the sampled one divided by the scaling factor.
        tile: Side of a tile without its overlaps, in pixels of the latent. A latent is tiled if a
            side exceeds `tile + 2 * DECODER_PAD`.

    Returns:
        The image, `[b, 3, 8 * h, 8 * w]`, about [-1, 1].
    """
    latent = vae.post_quant_conv(latent)
    height, width = latent.shape[2:]
    if max(height, width) <= tile + 2 * DECODER_PAD:
        image: Tensor = vae.decoder(latent)
        return image
    inputs, cores = boxes(height, width, tile, DECODER_PAD)
    decoded = _decoded(vae.decoder, [box.crop(latent) for box in inputs])
    origins = [(box.top * _FACTOR, box.left * _FACTOR) for box in inputs]
    targets = [Box(*(side * _FACTOR for side in core)) for core in cores]
    return _assembled(decoded, origins, targets)


def boxes(height: int, width: int, tile: int, pad: int) -> tuple[list[Box], list[Box]]:
    """What the tiles see, and what is kept of them, row by row.

    Args:
        height: Of the whole.
        width: Of the whole.
        tile: Largest side of a tile without its overlaps.
        pad: Overlap on each side.

    Returns:
        Boxes with overlaps; boxes without, which partition the whole.
    """
    rows, columns = _spans(height, tile, pad), _spans(width, tile, pad)
    pairs = [(row, column) for row in rows for column in columns]
    seen = [
        Box(
            max(0, top - pad),
            min(height, bottom + pad),
            max(0, left - pad),
            min(width, right + pad),
        )
        for (top, bottom), (left, right) in pairs
    ]
    kept = [
        Box(*_to_the_edges(row, height, pad), *_to_the_edges(column, width, pad))
        for row, column in pairs
    ]
    return seen, kept


def _spans(length: int, tile: int, pad: int) -> list[tuple[int, int]]:
    inner = length - 2 * pad
    count = max(1, math.ceil(inner / tile))
    size = _rounded_up(math.ceil(inner / count), tile)
    starts = [pad + number * size for number in range(count)]
    return [(start, min(start + size, length)) for start in starts]


def _rounded_up(size: int, limit: int) -> int:
    multiples = (math.ceil(size / divisor) * divisor for divisor in (32, 16, 8, 4, 2))
    return next((each for each in multiples if each <= limit), size)


def _to_the_edges(span: tuple[int, int], length: int, pad: int) -> tuple[int, int]:
    start, end = span
    return 0 if start <= pad else start, length if end >= length - pad else end


def _assembled(tiles: list[Tensor], origins: list[tuple[int, int]], targets: list[Box]) -> Tensor:
    """Copies the kept part of each tile to its place.

    Args:
        tiles: What the network made of the tiles.
        origins: Where each tile's top left pixel belongs.
        targets: Which part of the whole comes from each tile.
    """
    height, width = max(box.bottom for box in targets), max(box.right for box in targets)
    whole = tiles[0].new_empty(*tiles[0].shape[:2], height, width)
    for tile, (top, left), target in zip(tiles, origins, targets, strict=True):
        kept = Box(target.top - top, target.bottom - top, target.left - left, target.right - left)
        target.crop(whole).copy_(kept.crop(tile))
    return whole


# The networks, on lists of tiles. A layer's outputs replace its inputs one by one, so that hardly
# more than one list (two within a residual block) is in memory.


def _encoded(encoder: Any, tiles: list[Tensor]) -> list[Tensor]:
    _each(encoder.conv_in, tiles)
    for block in encoder.down_blocks:
        _resnets(block.resnets, tiles)
        for downsampler in block.downsamplers or ():
            _each(downsampler, tiles)
    _middle(encoder.mid_block, tiles)
    return _end(encoder, tiles)


def _decoded(decoder: Any, tiles: list[Tensor]) -> list[Tensor]:
    _each(decoder.conv_in, tiles)
    _middle(decoder.mid_block, tiles)
    for block in decoder.up_blocks:
        _resnets(block.resnets, tiles)
        for upsampler in block.upsamplers or ():
            _each(upsampler, tiles)
    return _end(decoder, tiles)


def _each(layer: _Layer, tiles: list[Tensor]) -> list[Tensor]:
    for index in range(len(tiles)):
        tiles[index] = layer(tiles[index])
    return tiles


def _resnets(resnets: Any, tiles: list[Tensor]) -> None:
    for resnet in resnets:
        _resnet(resnet, tiles)


def _resnet(resnet: Any, tiles: list[Tensor]) -> None:
    hidden = list(tiles)
    for norm, convolution in ((resnet.norm1, resnet.conv1), (resnet.norm2, resnet.conv2)):
        normalise = _normalisation(norm, hidden)
        for index in range(len(hidden)):
            hidden[index] = convolution(resnet.nonlinearity(normalise(hidden[index])))
    for index, residual in enumerate(hidden):
        if resnet.conv_shortcut is not None:
            tiles[index] = resnet.conv_shortcut(tiles[index])
        tiles[index] = tiles[index] + residual


def _middle(block: Any, tiles: list[Tensor]) -> None:
    _resnet(block.resnets[0], tiles)
    for attention, resnet in zip(block.attentions, block.resnets[1:], strict=True):
        normalise = _normalisation(attention.group_norm, tiles)
        for index in range(len(tiles)):
            tiles[index] = tiles[index] + _attended(attention, normalise(tiles[index]))
        _resnet(resnet, tiles)


def _attended(attention: Any, tile: Tensor) -> Tensor:
    """Self-attention of one head over the pixels of a tile, `[b, c, h, w]`."""
    tokens = tile.flatten(2).transpose(1, 2)
    query, key, value = attention.to_q(tokens), attention.to_k(tokens), attention.to_v(tokens)
    mixed = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])[:, 0]
    projected: Tensor = attention.to_out[0](mixed)
    return projected.transpose(1, 2).reshape(tile.shape)


def _end(network: Any, tiles: list[Tensor]) -> list[Tensor]:
    normalise = _normalisation(network.conv_norm_out, tiles)
    for index in range(len(tiles)):
        tiles[index] = network.conv_out(network.conv_act(normalise(tiles[index])))
    return tiles


def _normalisation(norm: Any, tiles: list[Tensor]) -> _Layer:
    """Group normalisation with the same statistics for all tiles.

    The variance is the mean of the tiles' variances, not that of their union.
    """
    pixels = [tile.shape[2] * tile.shape[3] for tile in tiles]
    means, variances = [], []
    for tile, count in zip(tiles, pixels, strict=True):
        groups = tile.reshape(len(tile), norm.num_groups, -1).float()
        variance, mean = torch.var_mean(groups, dim=2, correction=0)  # [b, groups]
        means.append(mean * (count / sum(pixels)))
        variances.append(variance * (count / sum(pixels)))
    mean, variance = torch.stack(means).sum(0), torch.stack(variances).sum(0)

    each = norm.num_channels // norm.num_groups
    mean, variance = (value.repeat_interleave(each, 1) for value in (mean, variance))
    scale = (variance + norm.eps).rsqrt() * norm.weight.float()
    shift = norm.bias.float() - mean * scale
    scale, shift = scale[:, :, None, None], shift[:, :, None, None]
    return lambda tile: torch.addcmul(shift, tile.float(), scale).to(tile.dtype)
