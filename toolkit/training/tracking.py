"""Trackers of a run, whose failures never stop its training."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from toolkit.component import Supply
from toolkit.errors import TrackerWarning
from toolkit.interfaces import Tracker
from toolkit.makers import border
from toolkit.recipe import Recipe

_LOG = logging.getLogger(__name__)

State = Literal["finished", "stopped", "failed"]


def make_trackers(recipe: Recipe, registry: Supply) -> Trackers:
    """Makes the trackers that a recipe names in `train.track`.

    Raises:
        UnknownComponentError: There is no such tracker.
        OptionsError: An option is unknown, ill-typed or out of range.
        ToolkitError: The library of a tracker is not installed; the hint says how to install it.
    """
    context = recipe.context(registry)
    made = {each.name: registry.make("tracker", each, context) for each in recipe.train.track}
    return Trackers(made)


class Trackers:
    """Several trackers as one. One that fails is turned off with a warning, and the others go on.

    Example:
        >>> trackers = Trackers({})
        >>> with trackers.following(Path("runs/first"), {}, step=0):
        ...     trackers.log(1, {"mse": 0.5})

    Args:
        trackers: By name.
    """

    def __init__(self, trackers: Mapping[str, Tracker]) -> None:
        self._active = dict(trackers)
        self.stopped = False
        """To be set if the run stops before its last step, and may be resumed."""

    @contextmanager
    def following(self, folder: Path, recipe: Mapping[str, Any], step: int) -> Iterator[None]:
        """Follows the training in its block, and ends with its state: failed if it raises.

        Args:
            folder: The run's folder.
            recipe: The run's recipe, as JSON's types.
            step: Number of steps done.
        """
        self._each(lambda tracker: tracker.begin(folder, recipe, step))
        try:
            yield
        except KeyboardInterrupt:
            self._end("stopped")
            raise
        except BaseException:
            self._end("failed")
            raise
        self._end("stopped" if self.stopped else "finished")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records values by name, such as losses, after `step` steps."""
        self._each(lambda tracker: tracker.log(step, values))

    def image(self, step: int, name: str, path: Path) -> None:
        """Records an image file after `step` steps."""
        self._each(lambda tracker: tracker.image(step, name, path))

    def _end(self, state: State) -> None:
        self._each(lambda tracker: tracker.end(state))
        self._active.clear()

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._active.items()):
            try:
                with border(tracker):
                    call(tracker)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - it may raise anything
                del self._active[name]
                _LOG.debug("The tracker %s failed", name, exc_info=error)
                warnings.warn(_told(name, error), TrackerWarning, stacklevel=3)


def _told(name: str, error: BaseException) -> str:
    reason = str(error) or type(error).__name__
    reason = reason if name in reason else f"The tracker {name!r} failed: {reason}"
    return f"{reason.rstrip('.')}. It is turned off, and training goes on."
