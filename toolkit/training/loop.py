"""The training loop: data, checkpoints, samples, log, and clean stopping."""

from __future__ import annotations

import itertools
import json
import math
import shlex
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.checkpoints import (
    checkpoint_path,
    checkpoints,
    load_part,
    read_metadata,
    save_checkpoint,
)
from toolkit.contracts import load_state
from toolkit.errors import DivergedError
from toolkit.recipe import Recipe
from toolkit.registry import Registry
from toolkit.runs import Run, load_generator, run_named
from toolkit.training.build import build_pairs, build_system
from toolkit.training.data import batches
from toolkit.training.resuming import (
    Material,
    check_changes,
    check_recipe,
    material_of,
    save_material,
)
from toolkit.training.samples import SampleSheet
from toolkit.training.state import load_optimizer_state, optimizer_state
from toolkit.training.step import System, train_step

_TRAINED = "generator.trained"
"""The generator's own weights in a checkpoint whose part "generator" is their average."""
_RISE = 100
"""Warm-up steps of the cosine schedule, at the start and when further losses join in."""


@dataclass(frozen=True)
class Report:
    """The outcome of a step.

    Attributes:
        step: Number of steps done.
        losses: Unweighted losses, by name.
        sample: The sample sheet written after this step, if any.
    """

    step: int
    losses: dict[str, float]
    sample: Path | None = None


@dataclass
class Outcome:
    """The outcome of a training.

    Attributes:
        step: Number of steps done in all.
        seconds: Duration since the start or the last resume.
        checkpoint: The newest.
        stopped: Whether it was stopped before its last step.
        skipped: Images that could not be used: (name, reason).
    """

    step: int
    seconds: float
    checkpoint: Path
    stopped: bool = False
    skipped: list[tuple[str, str]] = field(default_factory=list)


def train(
    run: Run,
    recipe: Recipe,
    registry: Registry,
    *,
    on_step: Callable[[Report], None] = lambda _report: None,
    should_stop: Callable[[], bool] = lambda: False,
    confirm: Callable[[str], bool] = lambda _changes: False,
) -> Outcome:
    """Trains a run to its last step, starting from its newest checkpoint if there is one.

    A run is only resumed with its own recipe, in which the number of steps may change.

    Args:
        run: The run's folder; created if it does not exist.
        recipe: Resolved.
        registry: Supplies the components.
        on_step: Called after every step.
        should_stop: Called after every step; if it returns True, training saves and stops.
        confirm: Called with a description of what has changed before a run is resumed with other
            code or other training files; resuming is refused if it returns False.

    Raises:
        DivergedError: A loss or gradient is not finite; the last checkpoint is unaffected.
        CheckpointError: The newest checkpoint is damaged, or of another backbone.
        UsageError: The run cannot be created, or was trained by another recipe, or `confirm`
            refused.
    """
    if run.exists:
        check_recipe(run, recipe, registry)
    else:
        run.check_free()
    pairs = build_pairs(recipe, registry)
    material = material_of(pairs.dataset)
    if run.exists:
        check_changes(run, recipe, material, confirm)
    system = build_system(recipe, registry)
    saved = checkpoints(run.checkpoints)
    step = _load(saved[-1], system) if saved else _begin(system, recipe, registry)
    _record(run, recipe, material, step)
    sheet = SampleSheet(pairs) if recipe.train.sample_every else None
    made_by = json.dumps(recipe.model_dump(mode="json")["provenance"])
    plan, begin, stopped = recipe.train, time.monotonic(), False
    checkpoint = saved[-1] if saved else run.checkpoints

    # On a CPU both would share the same cores: two threads at once made a step 1.4 times as long.
    ahead = 0 if system.device.type == "cpu" else plan.prefetch

    for batch in batches(pairs, step, plan.steps, plan.batch, ahead):
        set_rates(system, recipe, step)
        try:
            losses = train_step(system, batch, step)
        except DivergedError as error:
            raise DivergedError(str(error), _slower(run, recipe)) from error
        step += 1
        stopped = step < plan.steps and should_stop()
        last = step == plan.steps
        sample = None
        if sheet and (last or step % plan.sample_every == 0):
            sample = run.samples / f"step-{step:07d}.png"
            with system.average.in_place() if system.average else nullcontext():
                sheet.write(system, sample)
        run.append_log({"step": step, **losses})
        if stopped or last or step % plan.checkpoint_every == 0:
            checkpoint = _save(run, system, step, plan.keep, made_by)
        on_step(Report(step, losses, sample))
        if stopped:
            break
    return Outcome(step, time.monotonic() - begin, checkpoint, stopped, pairs.skipped)


def _slower(run: Run, recipe: Recipe) -> str:
    """Returns the command that repeats a diverged run at a lower learning rate."""
    folder = run.folder
    others = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2))
    other = next(each for each in others if not each.exists())
    words = ["toolkit", "train", "--config", str(run.recipe_path)]
    saved = checkpoints(run.checkpoints)
    words += ["--start", str(folder)] if saved else []
    words += ["--set", f"train.lr={recipe.train.lr / 10:g}", "--out", str(other)]
    from_where = f"from its last checkpoint, {saved[-1].name}," if saved else "from the beginning"
    return f"To train {from_where} at a lower rate: {shlex.join(words)}"


def set_rates(system: System, recipe: Recipe, step: int) -> None:
    """Sets the scheduled learning rates of a step, counted from 0."""
    share = 1.0
    if recipe.train.schedule == "cosine":
        joined = recipe.objective.first_loss_steps
        rise = min(1.0, (1 + step - (joined if step >= joined else 0)) / _RISE)
        share = rise * (0.01 + 0.99 * (1 + math.cos(math.pi * step / recipe.train.steps)) / 2)
    for learner in system.learners.values():
        learner.optimizer.param_groups[0]["lr"] = learner.rate * share


def _save(run: Run, system: System, step: int, keep: int, provenance: str) -> Path:
    """Writes a checkpoint; its part "generator" holds the weights used for restoring."""
    parts = {}
    for name, learner in system.learners.items():
        parts[name] = learner.part.state()
        parts[f"{name}.optimizer"] = optimizer_state(learner.optimizer, learner.parameters)
    if system.average:
        parts[_TRAINED], parts["generator"] = parts["generator"], system.average.weights
    path = checkpoint_path(run.checkpoints, step)
    fingerprint = system.generator.fingerprint
    metadata = {"step": str(step), "fingerprint": fingerprint, "provenance": provenance}
    save_checkpoint(path, parts, metadata)
    for old in checkpoints(run.checkpoints)[:-keep]:
        old.unlink()
    return path


def _record(run: Run, recipe: Recipe, material: Material, step: int) -> None:
    """Writes recipe and training files, and removes log lines after `step`."""
    if not run.exists:
        run.create(recipe)
    elif step < recipe.train.steps:
        recipe.save(run.recipe_path)  # perhaps with more steps; fed back, it repeats the whole run
    save_material(material, run.folder)
    run.rewind_log(step)


def _begin(system: System, recipe: Recipe, registry: Registry) -> int:
    """Loads the generator's weights from the run in `train.start`, if any; returns step 0."""
    if recipe.train.start:
        origin = run_named(recipe.train.start, registry)
        origin.recipe()  # says so where there is no run
        load_generator(system.generator, origin.latest())
        if system.average:
            system.average.load(system.generator.state())
    return 0


def _load(path: Path, system: System) -> int:
    load_generator(system.generator, path)
    if system.average:
        system.average.load(system.generator.state())
        system.generator.load_state(load_part(path, _TRAINED))
    for name, learner in system.learners.items():
        if name != "generator":
            load_state(learner.part, load_part(path, name))
        state = load_part(path, f"{name}.optimizer")
        load_optimizer_state(learner.optimizer, learner.parameters, state)
    return int(read_metadata(path)["step"])
