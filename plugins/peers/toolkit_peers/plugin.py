"""Registers the published diffusion-based systems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.plugin import hookimpl
from toolkit_peers.diffbir import component as diffbir
from toolkit_peers.one_step import component as one_step
from toolkit_peers.resshift import component as resshift
from toolkit_peers.seesr import component as seesr
from toolkit_peers.stablesr import component as stablesr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.plugin import Component


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield from diffbir.components()
    yield from one_step.components()
    yield from resshift.components()
    yield from seesr.components()
    yield from stablesr.components()
