"""Follows runs with Weights & Biases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit_trackers.identity import identity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Wandb:
    """Follows a run with Weights & Biases; a resumed run is the same run there.

    Args:
        project: Name of the project.
        offline: Whether to keep everything in the run's folder. The environment variable
            `WANDB_MODE=offline` does so, too.
    """

    def __init__(self, project: str, *, offline: bool) -> None:
        import wandb

        self._wandb: Any = wandb
        self._project, self._offline = project, offline

    def begin(self, folder: Path, recipe: Mapping[str, Any], _step: int) -> None:
        """Starts the run, or goes on with it."""
        self._run = self._wandb.init(
            project=self._project,
            dir=str(folder),
            id=identity(folder / "logs" / "wandb.txt"),
            name=folder.name,
            config=dict(recipe),
            resume="allow",
            mode="offline" if self._offline else None,
            # It would read the command line, and copy the code.
            settings=self._wandb.Settings(console="off", save_code=False),
        )
        # Steps of wandb's own only increase: those that a resumed run repeats would be refused.
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records values."""
        self._run.log({"step": step, **values})

    def image(self, step: int, name: str, path: Path) -> None:
        """Records an image."""
        self._run.log({"step": step, name: self._wandb.Image(str(path))})

    def end(self, state: str) -> None:
        """Waits until everything is uploaded."""
        self._run.finish(exit_code=int(state == "failed"))
