"""Opens a run for training: builds its parts and loads its newest checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.checkpoints import checkpoints
from toolkit.errors import ToolkitError, UsageError
from toolkit.files import locked, remove_leftovers
from toolkit.members import state as state_of
from toolkit.recipe import Recipe, share_of_batch
from toolkit.registry import Registry
from toolkit.runs import Run, load_generator, run_named
from toolkit.training.build import build_pairs, build_system
from toolkit.training.data import Batch, Pairs, batches
from toolkit.training.ranks import Ranks
from toolkit.training.resuming import (
    Material,
    check_changes,
    check_recipe,
    material_of,
    save_material,
)
from toolkit.training.saving import load, newest_whole, save
from toolkit.training.system import System
from toolkit.training.tracking import Trackers, make_trackers
from toolkit.training.validation import Validation


@dataclass
class OpenRun:
    """A run in training, as seen from one process.

    Attributes:
        run: Its folder.
        recipe: Resolved.
        system: What is trained.
        pairs: What it is trained on.
        validation: Scores the generator, if the recipe asks for it.
        trackers: Follow the run.
        step: Number of steps done.
        checkpoint: The newest; the folder of checkpoints before the first.
    """

    run: Run
    recipe: Recipe
    system: System
    pairs: Pairs
    validation: Validation | None
    trackers: Trackers
    step: int
    checkpoint: Path

    @property
    def ranks(self) -> Ranks:
        """The processes that train it."""
        return self.system.ranks

    def batches(self) -> Generator[Batch, None, None]:
        """Yields this process's share of each remaining batch."""
        plan, ranks = self.recipe.train, self.ranks
        # On a CPU, a thread ahead would share the cores of the step: two at once made a step 1.4
        # times as long.
        ahead = 0 if ranks.device.type == "cpu" else plan.prefetch
        yield from batches(
            self.pairs,
            self.step,
            plan.steps,
            plan.batch,
            rank=ranks.rank,
            ranks=ranks.size,
            workers=plan.workers,
            ahead=ahead,
        )

    def save(self) -> None:
        """Writes a checkpoint; all ranks call it together, and the first one writes."""
        aside = [each for share in self.ranks.gather(self.pairs.set_aside()) for each in share]
        if self.ranks.first:
            provenance = self.recipe.model_dump(mode="json")["provenance"]
            metadata = {"provenance": provenance, "set_aside": aside}
            keep = self.recipe.train.keep
            self.checkpoint = save(self.run, self.system, self.step, keep, metadata)
        self.ranks.wait()


@contextmanager
def opened(
    run: Run,
    recipe: Recipe,
    registry: Registry,
    ranks: Ranks,
    confirm: Callable[[str], bool],
) -> Iterator[OpenRun]:
    """Opens a run for the duration of a block, in which no other training may open it.

    Args:
        run: Its folder; created once everything has been checked.
        recipe: Resolved.
        registry: Supplies the components.
        ranks: The processes; all of them call this together.
        confirm: See `toolkit.training.loop.train`.
    """
    share_of_batch(recipe.train, ranks.size)  # refuses one that cannot be shared
    exists = ranks.share(run.exists)
    if not exists:
        run.check_free()
    with _alone_in(run, ranks, exists=exists):
        if exists:
            check_recipe(run, recipe, registry)
        trackers = make_trackers(recipe, registry) if ranks.first else Trackers({})
        pairs = build_pairs(recipe, registry, ranks.device)
        material = material_of(pairs.dataset) if ranks.first else {}
        if exists and ranks.first:
            check_changes(run, recipe, material, confirm)
        ranks.wait()
        validation = Validation(recipe, registry, run) if recipe.train.validate_every else None
        system = build_system(recipe, registry, ranks=ranks)
        newest = ranks.share(newest_whole(run) if ranks.first else None)
        step = _load(newest, system, pairs) if newest else _begin(system, recipe, registry)
        if ranks.first:
            with writing_to(run):
                _record(run, recipe, material, step)
                if newest and validation and validation.is_best(step):
                    validation.keep_best(newest)  # a kill may have come between the two writes
        ranks.wait()
        with _alone_in(run, ranks, exists=not exists):
            yield OpenRun(
                run, recipe, system, pairs, validation, trackers, step, newest or run.checkpoints
            )


@contextmanager
def writing_to(run: Run) -> Iterator[None]:
    """Adds to an error while writing that what was saved before is whole."""
    try:
        yield
    except OSError as error:
        saved = checkpoints(run.checkpoints)
        kept = f" The checkpoints up to {saved[-1].name} are whole." if saved else ""
        raise ToolkitError(
            f"Cannot write to {run.folder}: {error.strerror or error}.{kept}",
            f"Free some space, then go on: toolkit train --resume --out {run.quoted}",
        ) from error


def _load(checkpoint: Path, system: System, pairs: Pairs) -> int:
    state = load(checkpoint, system)
    pairs.recall(state.get("set_aside", []))
    return int(state["step"])


def _begin(system: System, recipe: Recipe, registry: Registry) -> int:
    """Loads the generator's weights from the run in `train.start`, if any; returns step 0."""
    if recipe.train.start:
        origin = run_named(recipe.train.start, registry)
        origin.recipe()  # says so where there is no run
        load_generator(system.generator, origin.latest())
        if system.average:
            system.average.load(state_of(system.generator))
    return 0


def _record(run: Run, recipe: Recipe, material: Material, step: int) -> None:
    """Writes recipe and training files; removes log lines after `step`, and what kills left."""
    if not run.exists:
        run.create(recipe)
    elif step < recipe.train.steps:
        recipe.save(run.recipe_path)  # perhaps with more steps; fed back, it repeats the whole run
    for folder in (run.folder, run.samples, run.log.parent):
        remove_leftovers(folder)
    save_material(material, run.folder)
    run.rewind_logs(step)


@contextmanager
def _alone_in(run: Run, ranks: Ranks, *, exists: bool) -> Iterator[None]:
    """Refuses to train a run that another training has open, if its folder exists."""

    def refuse() -> None:
        raise UsageError(
            f"{run.folder} is being trained by another process.",
            "Wait for its end, or train another run: --out DIR",
        )

    if not (ranks.first and exists):
        yield
        return
    with locked(run.log.with_suffix(".lock"), refuse):
        yield
