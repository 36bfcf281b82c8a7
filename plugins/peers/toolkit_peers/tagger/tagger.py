"""Names what an image shows, and describes it by image tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import torch
from torch.nn import functional as F

from toolkit_peers.tagger.network import FULL, TaggerConfig, TaggerNetwork, create
from toolkit_peers.tagger.tags import Tags, placeholders, read_tags
from toolkit_peers.tagger.weights import read_network

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Tagged(NamedTuple):
    """What the tagger says about an image.

    Attributes:
        text: Names of the tags that apply, joined by commas; may be empty.
        tokens: Image tokens `[1, T, 512]`, float32: their mean, then one per cell, row by row;
            T is 145 in the published size.
    """

    text: str
    tokens: Tensor


class Tagger:
    """RAM, with DAPE's updates if they were merged into it.

    Args:
        network: The network, frozen, in float32.
        config: Its sizes.
        tags: Its tags.
    """

    def __init__(self, network: TaggerNetwork, config: TaggerConfig, tags: Tags) -> None:
        self.network, self.config, self.tags = network, config, tags

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The network, by the name `tagger`."""
        return {"tagger": self.network}

    def to(self, device: torch.device | str) -> Self:
        """Moves the network to a device."""
        self.network.to(device)
        return self

    def __call__(self, image: Tensor) -> Tagged:
        """Tags an image.

        Args:
            image: `[1, 3, h, w]` in [0, 1], on the device of the network. On the meta device, the
                text is empty.
        """
        with torch.no_grad():
            tokens = self.network.tokens(prepared(image.float(), self.config.image_size))
            logits = self.network(tokens)
        return Tagged("" if logits.is_meta else self.tags.found(logits[0]), tokens)


def prepared(image: Tensor, side: int) -> Tensor:
    """Resizes an image to a square, bilinearly, and normalises it.

    There is no antialiasing, as in torchvision before 0.17, with which the published results were
    made; it would matter for images that are larger than the square.

    Args:
        image: `[B, 3, h, w]` in [0, 1].
        side: Side of the result in pixels.

    Returns:
        `[B, 3, side, side]` with ImageNet's mean 0 and deviation 1.
    """
    square = F.interpolate(image, (side, side), mode="bilinear", align_corners=False)
    mean, std = (square.new_tensor(values).view(3, 1, 1) for values in (_MEAN, _STD))
    return (square - mean) / std


def random_tagger(config: TaggerConfig, *, hollow: bool = False) -> Tagger:
    """Creates a tagger with random weights, always the same, or on the meta device if hollow."""
    return Tagger(create(config, hollow=hollow), config, placeholders(config.tags))


def read_tagger(
    ram: Path,
    dape: Path | None,
    tags: Path,
    thresholds: Path,
    *,
    hollow: bool = False,
    config: TaggerConfig = FULL,
) -> Tagger:
    """Reads the published tagger onto the CPU.

    Args:
        ram: Checkpoint of RAM.
        dape: Checkpoint of DAPE; None for RAM as it is.
        tags: List of the tags.
        thresholds: Their thresholds.
        hollow: Creates the network on the meta device; no file is read.
        config: Sizes of the network.

    Raises:
        WeightsError: A file is missing, damaged, or of another network.
    """
    if hollow:
        return random_tagger(config, hollow=True)
    found = read_tags(tags, thresholds, config.tags)
    return Tagger(read_network(config, ram, dape), config, found)
