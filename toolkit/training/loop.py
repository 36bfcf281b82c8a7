"""The training loop: steps, checkpoints, validation, samples, and clean stopping."""

from __future__ import annotations

import itertools
import shlex
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from toolkit.checkpoints import checkpoints
from toolkit.errors import DivergedError
from toolkit.recipe import Recipe
from toolkit.registry import Registry
from toolkit.runs import Run
from toolkit.training.crash import keep_crash
from toolkit.training.data import Batch
from toolkit.training.opening import OpenRun, opened, writing_to
from toolkit.training.ranks import joined
from toolkit.training.recording import Recorder, recording
from toolkit.training.samples import SampleSheet
from toolkit.training.schedule import set_rates
from toolkit.training.speed import matrix_precision
from toolkit.training.step import train_step
from toolkit.training.watch import NotFiniteError

SKIPPED = "skipped"
"""Logged for a step that was not applied."""


@dataclass(frozen=True)
class Report:
    """The outcome of a step.

    Attributes:
        step: Number of steps done.
        figures: Unweighted losses, norms of gradients and the discriminator's health, by name.
        sample: The sample sheet written after this step, if any.
        scores: Means of the validation after this step, by metric, if any.
        skipped: Why the step was not applied; empty if it was.
    """

    step: int
    figures: dict[str, float]
    sample: Path | None = None
    scores: dict[str, float] = field(default_factory=dict)
    skipped: str = ""


@dataclass
class Outcome:
    """The outcome of a training.

    Attributes:
        step: Number of steps done in all.
        seconds: Duration since the start or the last resume.
        checkpoint: The newest.
        stopped: Whether it was stopped before its last step.
        early: Whether it ended before its last step because validation no longer improved.
        best: The best step by validation, if there is one.
        skipped: Images that could not be used: (name, reason).
    """

    step: int
    seconds: float
    checkpoint: Path
    stopped: bool = False
    early: bool = False
    best: int | None = None
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

    A run is only resumed with its own recipe, in which the number of steps may change. Started by
    torchrun or `accelerate launch`, the processes share each batch; the number of processes may
    change when a run is resumed.

    Args:
        run: The run's folder; created if it does not exist. All processes need access to it.
        recipe: Resolved.
        registry: Supplies the components.
        on_step: Called after every step, in the first process.
        should_stop: Called after every step; if it returns True in any process, training saves and
            stops.
        confirm: Called with a description of what has changed before a run is resumed with other
            code or other training files; resuming is refused if it returns False.

    Raises:
        DivergedError: A loss or gradient is not finite; the step is kept in the run's folder.
        CheckpointError: All checkpoints are damaged, or of another backbone.
        UsageError: The run cannot be created, or was trained by another recipe, or is being
            trained, or `confirm` refused.
        RankError: Another process has ended.
    """
    begin = time.monotonic()
    with (
        joined(recipe.train.device) as ranks,
        matrix_precision(recipe.train),
        opened(run, recipe, registry, ranks, confirm) as training,
        recording(training, registry) as recorder,
    ):
        outcome = _steps(training, recorder, on_step, should_stop)
    return replace(outcome, seconds=time.monotonic() - begin)


def _steps(
    training: OpenRun,
    recorder: Recorder,
    on_step: Callable[[Report], None],
    should_stop: Callable[[], bool],
) -> Outcome:
    """Takes the remaining steps."""
    run, plan, ranks = training.run, training.recipe.train, training.ranks
    system, validation = training.system, training.validation
    sheet = SampleSheet(training.pairs) if plan.sample_every else None
    stopped, early = False, _exhausted(training)
    with closing(training.batches()) as batches:
        while not (stopped or early) and training.step < plan.steps:
            with recorder.phase("data"):
                batch = next(batches)
            set_rates(system, training.recipe, training.step)
            figures, reason = _step(training, recorder, batch)
            training.step += 1
            step, last = training.step, training.step == plan.steps
            stopped = not last and any(ranks.gather(should_stop()))
            sample = None
            if sheet and (last or step % plan.sample_every == 0):
                with writing_to(run):
                    sample = sheet.write(system, run.samples / f"step-{step:07d}.png")
            scores, best = {}, False
            if validation and validation.due(step, plan.steps):
                with recorder.phase("validation"), writing_to(run):
                    scores = validation.score(system, step)
                # As the first process sees it: a shared folder may show others an older record.
                best, exhausted = ranks.share((validation.is_best(step), validation.exhausted()))
                early = exhausted and not last
            recorder.step(figures, scores, sample)
            if stopped or last or early or best or step % plan.checkpoint_every == 0:
                with recorder.phase("checkpoint"), writing_to(run):
                    training.save()
                    if best and validation and ranks.first:
                        validation.keep_best(training.checkpoint)
            if ranks.first:
                on_step(Report(step, figures, sample, scores, reason))
    if stopped:
        recorder.stop()
    return Outcome(
        training.step,
        0.0,
        training.checkpoint,
        stopped,
        early,
        validation.best_step() if validation else None,
        training.pairs.skipped,
    )


def _exhausted(training: OpenRun) -> bool:
    """Whether the run has ended early before."""
    validation, plan = training.validation, training.recipe.train
    if not validation or not training.step:
        return False
    return training.ranks.share(validation.exhausted() and training.step < plan.steps)


def _step(training: OpenRun, recorder: Recorder, batch: Batch) -> tuple[dict[str, float], str]:
    """Takes a step; returns its figures, and why it was skipped if it was."""
    try:
        figures = train_step(training.system, batch, training.step, recorder.phase)
    except NotFiniteError as error:
        return {SKIPPED: 1.0}, _not_finite(training, batch, error)
    return figures.flat(), ""


def _not_finite(training: OpenRun, batch: Batch, error: NotFiniteError) -> str:
    """Keeps a step that is not finite; returns why it is skipped, if it may be.

    Raises:
        DivergedError: It may not.
    """
    run, limit = training.run, training.recipe.train.max_skipped_steps
    with writing_to(run):
        crash = keep_crash(run, training.system, batch, training.step, error)
    source = f", from {crash.source}" if crash.source else ""
    message = (
        f"Step {crash.step} was not applied, because this is not finite: {crash.guilty}{source}. "
        f"It computed {error.figures}. Its images and weights are in {crash.folder}."
    )
    skipped = training.ranks.share(sum(SKIPPED in figures for _, figures in run.read_log()))
    if skipped < limit:
        return message
    if skipped:
        message += f" Steps skipped before it: {skipped}, as many as may be."
    more = f"toolkit train --resume --out {run.quoted} --set train.max_skipped_steps={limit + 10}"
    hints = [
        f"To repeat it, loss by loss: toolkit train --replay {shlex.quote(str(crash.folder))}",
        _slower(run, training.recipe),
        f"To skip such steps, at most {limit + 10} of them: {more}",
    ]
    raise DivergedError(message, "\n".join(hints)) from error


def _slower(run: Run, recipe: Recipe) -> str:
    """Returns the command that repeats a diverged run at a lower learning rate."""
    folder = run.folder
    others = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2))
    other = next(each for each in others if not each.exists())
    words = ["toolkit", "train", "--config", str(run.recipe_path)]
    saved = checkpoints(run.checkpoints)
    words += ["--start", str(folder)] if saved else []
    for rate in ("lr", "disc_lr"):
        words += ["--set", f"train.{rate}={getattr(recipe.train, rate) / 10:g}"]
    words += ["--out", str(other)]
    from_where = f"from its last checkpoint, {saved[-1].name}," if saved else "from the beginning"
    return f"To train {from_where} at lower rates: {shlex.join(words)}"
