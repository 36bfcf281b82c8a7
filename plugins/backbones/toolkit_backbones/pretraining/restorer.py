"""Trains pocket's restorer through its stages, and validates it as it goes.

Stopped at any moment, it goes on from the newest checkpoint. Every validation adds a line to
`progress.jsonl`: the stage, crops seen and hours in all stages so far, and the figures.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.checkpoints import checkpoints, read_metadata
from toolkit.recipe import Recipe, compose, resolve
from toolkit.registry import Registry, installed
from toolkit.runs import Run
from toolkit.training.loop import Report, train
from toolkit_backbones.plugin import POCKET
from toolkit_backbones.pretraining.progress import PROGRESS, read_progress
from toolkit_backbones.pretraining.validation import Validation

STAGES = POCKET / "restorer" / "stages.toml"


@dataclass(frozen=True)
class Stage:
    """One stage: its run's name and the tables of its recipe."""

    name: str
    tables: dict[str, Any]


def main() -> None:
    """Trains stage after stage, until the last is done or a signal asks to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photographs")
    parser.add_argument(
        "--backbone", default="", help="folder of vae and unet; as shipped if empty"
    )
    parser.add_argument("--stages", type=Path, default=STAGES, help="what to do, as TOML")
    parser.add_argument("--start", default="", help="a run to begin the first stage with")
    parser.add_argument("--out", type=Path, required=True, help="where the stages' runs go")
    parser.add_argument("--part", default="fit", choices=("fit", "all"), help="of the photographs")
    parser.add_argument("--validate-every", type=float, default=30.0, metavar="MINUTES")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    asked = _stop_on_signals()
    registry = installed()
    data = {"use": "folder", "folder": str(args.photos.absolute())}
    validation = Validation({**data, "part": "validation"}, registry)
    start = args.start
    for stage in read_stages(args.stages):
        folder = args.out / stage.name
        given = {"backbone": {"use": "pocket", "weights": args.backbone}}
        given |= {"data": {**data, "part": args.part}, "train.seed": args.seed}
        if start:
            given["train.start"] = start
        recipe = resolve(compose(stage.tables, given, []), registry)
        Follower(args.out, stage.name, recipe, registry, validation, args.validate_every).train(
            Run(folder), asked
        )
        if asked:
            return
        start = str(folder.absolute())


def read_stages(path: Path) -> list[Stage]:
    """The stages of a file, each with what all of them share."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    shared = content.get("all", {})
    return [Stage(own.pop("name"), _over(shared, own)) for own in content["stage"]]


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables laid over tables, key by key."""
    return {
        key: _over(below.get(key, {}), value)
        if isinstance(value := above.get(key, below.get(key)), Mapping)
        and isinstance(below.get(key, {}), Mapping)
        else value
        for key in {**below, **above}
    }


class Follower:
    """Trains one stage and keeps the record of all.

    Args:
        out: Folder of all stages.
        stage: Name of this one.
        recipe: Resolved.
        registry: Supplies the components.
        validation: Scores a restorer.
        minutes: Between validations.
    """

    def __init__(
        self,
        out: Path,
        stage: str,
        recipe: Recipe,
        registry: Registry,
        validation: Validation,
        minutes: float,
    ) -> None:
        self._progress = out / PROGRESS
        self._stage, self._recipe, self._registry = stage, recipe, registry
        self._validation, self._seconds = validation, 60 * minutes
        self._began = self._due = 0.0
        last: dict[str, Any] = next(reversed(list(read_progress(self._progress))), {})
        self._hours, self._crops = float(last.get("hours", 0)), int(last.get("crops", 0))
        self._validated = int(last["step"]) if last.get("stage") == stage else 0

    def train(self, run: Run, asked: list[int]) -> None:
        """Trains the stage's run to its end, or until it is asked to stop."""
        saved = checkpoints(run.checkpoints)
        begun = int(read_metadata(saved[-1])["step"]) if saved else 0
        if begun >= self._recipe.train.steps:
            return
        self._began, self._due = time.monotonic(), time.monotonic() + self._seconds

        def on_step(report: Report) -> None:
            if report.step % 50 == 0:
                losses = {name: round(value, 5) for name, value in report.losses.items()}
                rate = (report.step - begun) * self._recipe.train.batch
                rate /= time.monotonic() - self._began
                print(json.dumps({"step": report.step, "crops/s": round(rate, 2), **losses}),
                      flush=True)  # fmt: skip
            saves = report.step % self._recipe.train.checkpoint_every == 0
            if saves and time.monotonic() > self._due:
                self._validate(run, report.step)

        train(run, self._recipe, self._registry, on_step=on_step, should_stop=lambda: bool(asked))
        if not asked and self._validated < self._recipe.train.steps:
            self._validate(run, self._recipe.train.steps)

    def _validate(self, run: Run, step: int) -> None:
        """Adds a line to the record; the time that it takes itself is not counted."""
        now = time.monotonic()
        self._hours += (now - self._began) / 3600
        self._crops += (step - self._validated) * self._recipe.train.batch
        self._validated = step
        figures = self._validation.figures(run.restorer(self._registry))
        line = {"stage": self._stage, "step": step, "crops": self._crops,
                "hours": round(self._hours, 3), **figures}  # fmt: skip
        with self._progress.open("a", encoding="utf-8") as record:
            record.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
        self._began = time.monotonic()
        self._due = self._began + self._seconds


def _stop_on_signals() -> list[int]:
    """Collects signals to stop; the training asks after every step."""
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: asked.append(number))
    return asked


if __name__ == "__main__":
    main()
