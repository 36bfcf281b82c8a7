"""Records a training as it goes: log, trackers, hardware use, and the run's page."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from toolkit.registry import Registry
from toolkit.reporting.run_page import PAGE, write_page
from toolkit.training.opening import OpenRun, writing_to
from toolkit.training.usage import Usage

_LOG = logging.getLogger(__name__)


class Recorder:
    """Records the steps of a run; does nothing in other processes than the first.

    Args:
        opened: The run.
        usage: Records hardware use; None in other processes.
    """

    def __init__(self, opened: OpenRun, usage: Usage | None) -> None:
        self._opened, self._usage = opened, usage

    def phase(self, name: str) -> AbstractContextManager[Any]:
        """Measures the time of a part of a step."""
        return self._usage.phase(name) if self._usage else nullcontext()

    def step(
        self, figures: Mapping[str, float], scores: Mapping[str, float], sample: Path | None
    ) -> None:
        """Records what the newest step computed, its validation and its sample sheet."""
        if self._usage is None:
            return
        step, trackers = self._opened.step, self._opened.trackers
        with writing_to(self._opened.run):
            self._opened.run.append_log({"step": step, **figures})
            self._usage.step(step)
        trackers.log(step, {**figures, **{f"validation {k}": v for k, v in scores.items()}})
        if sample:
            trackers.image(step, "samples", sample)

    def stop(self) -> None:
        """Notes that the run stops before its last step."""
        self._opened.trackers.stopped = True


@contextmanager
def recording(opened: OpenRun, registry: Registry) -> Iterator[Recorder]:
    """Records the steps of a block, and writes the run's page at its end, however it ends.

    The page of a run that was finished before stays as it is.
    """
    run, recipe = opened.run, opened.recipe
    finished = opened.step >= recipe.train.steps
    if not opened.ranks.first:
        yield Recorder(opened, None)
        return
    tables = recipe.model_dump(mode="json")
    try:
        with (
            opened.trackers.following(run.folder, tables, opened.step),
            Usage(run.usage_log, opened.ranks.device) as usage,
        ):
            yield Recorder(opened, usage)
    finally:
        try:
            if not finished:
                write_page(run, run.folder / PAGE, registry)
        except Exception as error:  # noqa: BLE001 - such as a full disk: why training ended counts
            _LOG.warning("Notice: The run's page was not written: %s", error)
            _LOG.debug("The page failed", exc_info=error)
