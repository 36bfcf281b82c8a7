"""Registers the trackers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from toolkit.plugin import Component, Context, Options, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.plugin import Tracker


class WandbOptions(Options):
    """Options of `wandb`; its environment variables hold, too, such as `WANDB_ENTITY`."""

    project: str = Field(default="restoration-toolkit", min_length=1)
    """Name of the project."""
    offline: bool = False
    """Keep everything in the run's folder; `wandb sync` uploads it later."""


class TrackioOptions(Options):
    """Options of `trackio`; its environment variables hold, too, such as `TRACKIO_SPACE_ID`."""

    project: str = Field(default="restoration-toolkit", min_length=1)
    """Name of the project."""


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(
        kind="tracker",
        name="tensorboard",
        summary="Event files for TensorBoard, in the run's folder",
        build=_tensorboard,
    )
    yield Component(
        kind="tracker",
        name="trackio",
        summary="Trackio, on this machine or in a Hugging Face Space",
        build=_trackio,
        options=TrackioOptions,
        variant="project",
    )
    yield Component(
        kind="tracker",
        name="wandb",
        summary="Weights & Biases, online or offline",
        build=_wandb,
        options=WandbOptions,
        variant="project",
        tiny={"offline": True},
    )


def _tensorboard(_options: Any, _context: Context) -> Tracker:
    from toolkit_trackers.tensorboard import TensorBoard

    return TensorBoard()


def _trackio(options: TrackioOptions, _context: Context) -> Tracker:
    from toolkit_trackers.trackio import Trackio

    return Trackio(options.project)


def _wandb(options: WandbOptions, _context: Context) -> Tracker:
    from toolkit_trackers.wandb import Wandb

    return Wandb(options.project, offline=options.offline)
