"""Follows runs with Trackio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit_trackers.identity import identity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Trackio:
    """Follows a run with Trackio; a resumed run is the same run there.

    Args:
        project: Name of the project.
    """

    def __init__(self, project: str) -> None:
        import trackio

        self._trackio: Any = trackio
        self._project = project

    def begin(self, folder: Path, recipe: Mapping[str, Any], _step: int) -> None:
        """Starts the run, or goes on with it."""
        self._run = self._trackio.init(
            project=self._project,
            name=f"{folder.name}-{identity(folder / 'logs' / 'trackio.txt')[:6]}",
            config=dict(recipe),
            resume="allow",
            embed=False,
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records values."""
        self._run.log(dict(values), step=step)

    def image(self, step: int, name: str, path: Path) -> None:
        """Records an image."""
        self._run.log({name: self._trackio.Image(str(path))}, step=step)

    def end(self, _state: str) -> None:
        """Waits until everything is recorded."""
        self._run.finish()
