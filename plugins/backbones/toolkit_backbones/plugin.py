"""The backbones: pretrained latent diffusion models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.component import Component, Options
from toolkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from toolkit.interfaces import Backbone

POCKET = Path(__file__).parent / "pocket"


class PocketOptions(Options):
    """Options of `pocket`."""

    folder: Path | None = None
    """A diffusers folder with `vae` and `unet` to use instead of the shipped one."""


def _pocket(options: PocketOptions) -> Backbone:
    from toolkit_backbones.latent_diffusion import LatentDiffusion

    return LatentDiffusion("pocket", options.folder or POCKET)


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(
        kind="backbone",
        name="pocket",
        summary="A small latent diffusion model, pretrained on photographs and shipped",
        build=_pocket,
        options=PocketOptions,
        paper="Architecture after Rombach et al., High-Resolution Image Synthesis with LDMs, 2022",
    )
