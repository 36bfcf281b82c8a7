"""Restorers that need no training: what every learned one must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from toolkit.component import Component, Options
from toolkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.interfaces import Restorer


class InterpolationOptions(Options):
    """Options of `bicubic` and `lanczos`."""

    scale: int = Field(default=4, ge=1, le=16)
    """SR pixels per LR pixel, on a side."""


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The restorers of this distribution."""
    yield Component(
        kind="restorer",
        name="bicubic",
        summary="Bicubic interpolation (a = -0.5), the field's baseline",
        options=InterpolationOptions,
        build=_bicubic,
        paper="R. Keys, Cubic convolution interpolation for digital image processing, 1981",
    )
    yield Component(
        kind="restorer",
        name="lanczos",
        summary="Lanczos interpolation over 8 pixels a side",
        options=InterpolationOptions,
        build=_lanczos,
        paper="C. Duchon, Lanczos filtering in one and two dimensions, 1979",
    )


def _bicubic(options: InterpolationOptions) -> Restorer:
    from toolkit_restorers.interpolation import Bicubic

    return Bicubic(options.scale)


def _lanczos(options: InterpolationOptions) -> Restorer:
    from toolkit_restorers.interpolation import Lanczos

    return Lanczos(options.scale)
