"""Trains pocket's restorer through its stages, and validates it as it goes.

Stopped at any moment, it goes on from the newest checkpoint; on another machine, from what `keep`
saved. Every validation adds a line to `progress.jsonl`: the stage, crops seen and hours in all
stages so far, and the figures.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.checkpoints import checkpoints, read_metadata
from toolkit.recipe import Recipe, compose, layered, resolve
from toolkit.registry import Registry, installed
from toolkit.runs import Run
from toolkit.training.loop import Report, train
from toolkit_backbones.plugin import POCKET
from toolkit_backbones.pretraining.progress import (
    ORIGIN,
    PROGRESS,
    last_record,
    position,
    write_record,
)
from toolkit_backbones.pretraining.validation import Validation

STAGES = POCKET / "restorer" / "stages.toml"
_LOG_EVERY = 50


def main() -> None:
    """Trains stage after stage, until the last is done or a signal asks to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--backbone", default="", help="of vae and unet; as shipped if empty")
    parser.add_argument("--stages", type=Path, default=STAGES, help="what to do, as TOML")
    parser.add_argument("--kept", type=Path, help="where `keep` saved an earlier training")
    parser.add_argument("--out", type=Path, required=True, help="where the stages' runs go")
    parser.add_argument("--part", default="fit", choices=("fit", "all"), help="of the photographs")
    parser.add_argument("--validate-every", type=float, default=30.0, metavar="MINUTES")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    asked = _stop_on_signals()
    registry = installed()
    data = {"use": "folder", "folder": str(args.photos.absolute())}
    validation = Validation({**data, "part": "validation"}, registry)
    start, origin = _begin(args.kept, args.out)
    stages = read_stages(args.stages)
    names = [stage.name for stage in stages]
    for stage in stages[names.index(origin["stage"]) if origin else 0 :]:
        done = int(origin["step"]) if origin and origin["stage"] == stage.name else 0
        given: dict[str, Any] = {"backbone": {"use": "pocket", "weights": args.backbone}}
        given |= {"data": {**data, "part": args.part}}
        # Other samples than those that the training before has seen.
        given |= {"train.seed": args.seed + int(origin.get("crops", 0))}
        if start:
            given["train.start"] = start
        recipe = resolve(compose(stage.tables, given, []), registry)
        run = Run(args.out / stage.name)
        if recipe.train.steps > done:
            Follower(stage.name, done, recipe, registry, validation, args.validate_every).train(
                run, args.out, asked
            )
            start = str(run.folder.absolute())
        if asked:
            return


def _begin(kept: Path | None, out: Path) -> tuple[str, dict[str, Any]]:
    """The run to start from, and the last line of its record; nothing for a new training."""
    out.mkdir(parents=True, exist_ok=True)
    if kept and (kept / PROGRESS).exists() and not (out / PROGRESS).exists():
        shutil.copyfile(kept / PROGRESS, out / ORIGIN)
        shutil.copyfile(kept / PROGRESS, out / PROGRESS)
    origin = last_record(out / ORIGIN)
    return (str(kept.absolute()) if kept and origin else ""), origin


@dataclass(frozen=True)
class Stage:
    """One stage: its run's name and the tables of its recipe."""

    name: str
    tables: dict[str, Any]


def read_stages(path: Path) -> list[Stage]:
    """The stages of a file, each with what all of them share."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    shared = content.get("all", {})
    return [Stage(own.pop("name"), layered(shared, own)) for own in content["stage"]]


class Follower:
    """Trains one stage and keeps the record of all.

    Args:
        stage: Its name.
        done: Steps of it that an earlier training has done.
        recipe: Resolved; of the whole stage.
        registry: Supplies the components.
        validation: Scores a restorer.
        minutes: Between validations.
    """

    def __init__(
        self,
        stage: str,
        done: int,
        recipe: Recipe,
        registry: Registry,
        validation: Validation,
        minutes: float,
    ) -> None:
        self._stage, self._registry = stage, registry
        rest = recipe.train.model_copy(update={"steps": recipe.train.steps - done})
        self._recipe = recipe.model_copy(update={"train": rest})
        self._validation, self._seconds = validation, 60 * minutes

    def train(self, run: Run, out: Path, asked: list[int]) -> None:
        """Trains the stage's run to its end, or until it is asked to stop."""
        saved = checkpoints(run.checkpoints)
        step = int(read_metadata(saved[-1])["step"]) if saved else 0
        if step >= self._recipe.train.steps:
            return
        plan, batch = self._recipe.train, self._recipe.train.batch
        since, logged = time.monotonic(), (time.monotonic(), step)

        def on_step(report: Report) -> None:
            nonlocal since, logged
            now = time.monotonic()
            if report.step % _LOG_EVERY == 0:
                rate = (report.step - logged[1]) * batch / (now - logged[0])
                _log({"step": report.step, "crops/s": round(rate, 2), **report.losses})
                logged = now, report.step
            last = report.step == plan.steps
            due = now > since + self._seconds and report.step % plan.checkpoint_every == 0
            if last or due:
                self._record(run, out, report.step, now - since)
                since, logged = time.monotonic(), (time.monotonic(), report.step)

        train(run, self._recipe, self._registry, on_step=on_step, should_stop=lambda: bool(asked))

    def _record(self, run: Run, out: Path, step: int, seconds: float) -> None:
        """Validates, and adds a line to the record; the validation's own time is not counted."""
        line = position(out, self._stage, step, self._recipe.train.batch)
        line["hours"] = round(line["hours"] + seconds / 3600, 3)
        line |= self._validation.figures(run.restorer(self._registry))
        write_record(out / PROGRESS, line)
        _log(line)


def _log(line: Mapping[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _stop_on_signals() -> list[int]:
    """Collects signals to stop; the training asks after every step."""
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: asked.append(number))
    return asked


if __name__ == "__main__":
    main()
