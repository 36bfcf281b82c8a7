"""Trains pocket's restorer in stages, with regular validation.

An interrupted training resumes from the newest checkpoint, or on another machine from a copy saved
by `keep`. Each validation appends a line to `progress.jsonl`: stage, total crops and hours, and
scores.
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
from toolkit.discovery import installed
from toolkit.recipe import Recipe, compose, layered, resolve
from toolkit.registry import Registry
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
    """Trains all stages, until a signal requests a stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--backbone", default="", help="folder of vae and unet; default: included")
    parser.add_argument("--stages", type=Path, default=STAGES, help="TOML file of the stages")
    parser.add_argument("--kept", type=Path, help="copy of an earlier training, saved by `keep`")
    parser.add_argument("--out", type=Path, required=True, help="folder for the stages' runs")
    parser.add_argument("--part", default="fit", choices=("fit", "all"), help="photographs to use")
    parser.add_argument("--validate-every", type=float, default=30.0, metavar="MINUTES")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    signals = _collect_signals()
    registry = installed()
    data = {"use": "folder", "folder": str(args.photos.absolute())}
    validation = Validation({**data, "part": "validation"}, registry)
    start, origin = _begin(args.kept, args.out)
    stages = read_stages(args.stages)
    names = [stage.name for stage in stages]
    for stage in stages[names.index(origin["stage"]) if origin else 0 :]:
        done = int(origin["step"]) if origin and origin["stage"] == stage.name else 0
        overrides: dict[str, Any] = {"backbone": {"use": "pocket", "weights": args.backbone}}
        overrides |= {"data": {**data, "part": args.part}}
        # A different seed, to draw other samples than the continued training.
        overrides |= {"train.seed": args.seed + int(origin.get("crops", 0))}
        if start:
            overrides["train.start"] = start
        recipe = resolve(compose(stage.tables, overrides, []), registry)
        run = Run(args.out / stage.name)
        if recipe.train.steps > done:
            trainer = StageTrainer(
                stage.name, done, recipe, registry, validation, args.validate_every
            )
            trainer.train(run, args.out, signals)
            start = str(run.folder.absolute())
        if signals:
            return


def _begin(kept: Path | None, out: Path) -> tuple[str, dict[str, Any]]:
    """Returns the run to start from and its last record; empty for a new training."""
    out.mkdir(parents=True, exist_ok=True)
    if kept and (kept / PROGRESS).exists() and not (out / PROGRESS).exists():
        shutil.copyfile(kept / PROGRESS, out / ORIGIN)
        shutil.copyfile(kept / PROGRESS, out / PROGRESS)
    origin = last_record(out / ORIGIN)
    return (str(kept.absolute()) if kept and origin else ""), origin


@dataclass(frozen=True)
class Stage:
    """Name of a stage's run and tables of its recipe."""

    name: str
    tables: dict[str, Any]


def read_stages(path: Path) -> list[Stage]:
    """Reads stages from a file, each with the shared settings of `[all]`."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    shared = content.get("all", {})
    return [Stage(table.pop("name"), layered(shared, table)) for table in content["stage"]]


class StageTrainer:
    """Trains a stage and records validations.

    Args:
        stage: Name of the stage.
        done: Steps of the stage that an earlier training has completed.
        recipe: Resolved recipe of the whole stage.
        registry: Supplies the components.
        validation: Scores a restorer.
        minutes: Minutes between validations.
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
        remaining = recipe.train.model_copy(update={"steps": recipe.train.steps - done})
        self._recipe = recipe.model_copy(update={"train": remaining})
        self._validation, self._seconds = validation, 60 * minutes

    def train(self, run: Run, out: Path, signals: list[int]) -> None:
        """Trains the stage to its end, or until `signals` is not empty."""
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
                _log({"step": report.step, "crops/s": round(rate, 2), **report.figures})
                logged = now, report.step
            last = report.step == plan.steps
            due = now > since + self._seconds and report.step % plan.checkpoint_every == 0
            if last or due:
                self._record(run, out, report.step, now - since)
                since, logged = time.monotonic(), (time.monotonic(), report.step)

        train(
            run,
            self._recipe,
            self._registry,
            on_step=on_step,
            should_stop=lambda: bool(signals),
            confirm=_log_changes,
        )

    def _record(self, run: Run, out: Path, step: int, seconds: float) -> None:
        """Validates and appends to the record; time for validation is not counted."""
        line = position(out, self._stage, step, self._recipe.train.batch)
        line["hours"] = round(line["hours"] + seconds / 3600, 3)
        line |= self._validation.scores(run.restorer(self._registry))
        write_record(out / PROGRESS, line)
        _log(line)


def _log(line: Mapping[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _log_changes(changes: str) -> bool:
    """Accepts code changes since the last checkpoint, as the training takes many hours."""
    _log({"notice": changes})
    return True


def _collect_signals() -> list[int]:
    """Returns a list that collects termination signals, checked after every step."""
    signals: list[int] = []
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), lambda number, _frame: signals.append(number))
    return signals


if __name__ == "__main__":
    main()
