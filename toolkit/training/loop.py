"""The loop around the step: data, checkpoints, samples, log, and stopping in good order."""

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
from toolkit.training.material import material_of, save_material
from toolkit.training.samples import SampleSheet
from toolkit.training.state import load_optimizer_state, optimizer_state
from toolkit.training.step import System, train_step

_TRAINED = "generator.trained"
"""The generator's weights where a checkpoint also has their average."""
_RISE = 100
"""Steps in which a cosine's rates rise, at the start and where further losses join in."""


@dataclass(frozen=True)
class Report:
    """What one step came to.

    Attributes:
        step: How many steps are done.
        losses: By name, unweighted.
        sample: The sample sheet that was written after this step, if any.
    """

    step: int
    losses: dict[str, float]
    sample: Path | None = None


@dataclass
class Outcome:
    """How a training ended.

    Attributes:
        step: How many steps are done in all.
        seconds: How long this stretch took.
        checkpoint: The newest.
        stopped: Whether it was asked to stop before the end.
        skipped: Images that were set aside: (name, reason).
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
) -> Outcome:
    """Trains a run to its last step, from its newest checkpoint where it has one.

    Args:
        run: Its folder; created where it does not exist.
        recipe: Resolved.
        registry: Supplies the components.
        on_step: Told of every step.
        should_stop: Asked after every step; when it says so, the state is saved and training ends.

    Raises:
        DivergedError: A loss or gradient is not finite; the last checkpoint is good.
        CheckpointError: The newest checkpoint is torn, or of another backbone.
    """
    if not run.exists:
        run.check_free()
    pairs = build_pairs(recipe, registry)
    material = material_of(pairs.dataset)
    system = build_system(recipe, registry)
    saved = checkpoints(run.checkpoints)
    if saved:
        step = _load(saved[-1], system)
    else:
        step = 0
        _begin(system, recipe, registry)
    if not run.exists:
        run.create(recipe)
    elif step < recipe.train.steps:
        recipe.save(run.recipe_path)  # perhaps with more steps; fed back, it repeats the whole run
    save_material(material, run.folder)
    run.rewind_log(step)
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
    """What to type after a run has diverged: the same at a lower rate, elsewhere."""
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
    """Sets the learning rates of a step, counted from 0, as the schedule has them."""
    share = 1.0
    if recipe.train.schedule == "cosine":
        joined = recipe.objective.pixels_until
        rise = min(1.0, (1 + step - (joined if step >= joined else 0)) / _RISE)
        share = rise * (0.01 + 0.99 * (1 + math.cos(math.pi * step / recipe.train.steps)) / 2)
    for learner in system.learners.values():
        learner.optimizer.param_groups[0]["lr"] = learner.rate * share


def _save(run: Run, system: System, step: int, keep: int, provenance: str) -> Path:
    """Writes all that the run needs to go on; "generator" is what it restores with."""
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


def _begin(system: System, recipe: Recipe, registry: Registry) -> None:
    """Takes over the weights of another run's generator, where the recipe says so."""
    if recipe.train.start:
        origin = run_named(recipe.train.start, registry)
        origin.recipe()  # says so where there is no run
        load_generator(system.generator, origin.latest())
        if system.average:
            system.average.load(system.generator.state())


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
