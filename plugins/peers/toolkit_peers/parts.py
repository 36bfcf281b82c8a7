"""Builds the parts that systems share: the backbone, the text encoder and the tagger."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from toolkit.plugin import Checkpoint, Context, WeightFile
from toolkit_peers import published
from toolkit_peers.files import BASE, Files
from toolkit_peers.options import CommonOptions
from toolkit_peers.prompts import Prompts
from toolkit_peers.text import TextEncoder, read_text_encoder, text_network

if TYPE_CHECKING:
    from toolkit_peers.tagger.tagger import Tagger


class Parts:
    """The parts of one system, made from its options.

    Args:
        options: The system's options.
        context: The context in which it is built.
        files: Its files.
    """

    def __init__(self, options: CommonOptions, context: Context, files: Files) -> None:
        self._options, self._files = options, files
        self.hollow = not context.read_weights
        self.backbone: Any = context.make(
            "backbone", BASE, weights=files.base, precision=options.precision
        )

    @property
    def precision(self) -> torch.dtype:
        """Data type of the networks."""
        precision: torch.dtype = getattr(torch, self._options.precision)
        return precision

    def checkpoint(self, file: WeightFile) -> Checkpoint | None:
        """Opens one of the files; None if weights are random, or none are read."""
        return None if self._files.made else Checkpoint.read(self._files.paths[file])

    def prompts(
        self, fixed: str, compose: Callable[[str], str] = str, *, tagger: bool = False
    ) -> Prompts:
        """Builds what makes prompts: see `Prompts`."""
        return Prompts(self._text_encoder(), fixed, self._tagger() if tagger else None, compose)

    def _text_encoder(self) -> TextEncoder:
        network = text_network(self.backbone.text_width, hollow=self.hollow or not self._files.made)
        if checkpoint := self.checkpoint(published.TEXT_ENCODER):
            read_text_encoder(network, checkpoint.unwrapped())
        return TextEncoder(nn.Module.to(network, self.precision))

    def _tagger(self) -> Tagger:
        from toolkit_peers.tagger import tagger
        from toolkit_peers.tagger.network import FULL, TINY

        if self._files.made:
            config = TINY if self._options.weights == "tiny" else FULL
            return tagger.random_tagger(config, hollow=self.hollow)
        return tagger.read_tagger(*(self._files.paths[file] for file in published.TAGGER))
