"""Prompts of images: fixed words, or what a tagger sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    import torch

    from toolkit_peers.tagger.tagger import Tagged, Tagger
    from toolkit_peers.text import TextEncoder


class Prompts:
    """Describes images, and encodes the descriptions.

    Args:
        encoder: Encodes prompts.
        fixed: The prompt without a tagger.
        tagger: Describes images; None for the fixed prompt.
        compose: Makes the prompt from the tags, such as `"{tags}, {user},"`.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        fixed: str,
        tagger: Tagger | None = None,
        compose: Callable[[str], str] = str,
    ) -> None:
        self.encode, self._fixed, self._tagger, self._compose = encoder, fixed, tagger, compose

    def describe(self, image: Tensor) -> tuple[str, Tagged | None]:
        """Returns the prompt of an image, `[1, 3, h, w]` in [0, 1], and what the tagger found."""
        if self._tagger is None:
            return self._fixed, None
        tagged = self._tagger(image)
        return self._compose(tagged.text), tagged

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The text encoder and the tagger, by name."""
        found: dict[str, nn.Module] = {"text_encoder": self.encode.network}
        if self._tagger is not None:
            found["tagger"] = self._tagger.network
        return found

    @property
    def fingerprint(self) -> dict[str, str]:
        """Where prompts come from."""
        source = "RAM with DAPE" if self._tagger else f"none; fixed prompt {self._fixed!r}"
        example = {"prompt": self._compose("{tags}")} if self._tagger else {}
        return {"tagger": source, **example}

    def to(self, device: torch.device) -> Prompts:
        """Moves the networks to a device."""
        nn.Module.to(self.encode.network, device)
        if self._tagger is not None:
            self._tagger.to(device)
        return self
