"""What a run's checkpoints hold: everything that decides how the run goes on."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from toolkit.checkpoints import (
    checkpoint_path,
    checkpoints,
    load_part,
    read_metadata,
    save_checkpoint,
    verify,
)
from toolkit.errors import CheckpointError
from toolkit.files import remove_leftovers
from toolkit.members import identity, load_state
from toolkit.members import state as state_of
from toolkit.runs import Run, load_generator
from toolkit.training.state import load_optimizer_state, optimizer_state
from toolkit.training.system import System

_LOG = logging.getLogger(__name__)
_TRAINED = "generator.trained"
"""The generator's own weights in a checkpoint whose part "generator" is their average."""
_DAMAGED = ".damaged"


def parts_of(system: System) -> dict[str, Mapping[str, Tensor]]:
    """Returns all that a step changes; "generator" holds the weights used for restoring."""
    parts: dict[str, Mapping[str, Tensor]] = {}
    for name, learner in system.learners.items():
        parts[name] = state_of(learner.part)
        parts[f"{name}.optimizer"] = optimizer_state(learner.optimizer, learner.parameters)
    if system.average:
        parts[_TRAINED], parts["generator"] = parts["generator"], system.average.weights
    return parts


def save(run: Run, system: System, step: int, keep: int, metadata: Mapping[str, Any]) -> Path:
    """Writes the checkpoint of a step, and removes all but the newest `keep`.

    Args:
        run: Its folder.
        system: After the step.
        step: Number of steps done.
        keep: Number of checkpoints.
        metadata: Values of JSON's types to keep beside the tensors; `load` returns them.
    """
    path = checkpoint_path(run.checkpoints, step)
    write(path, system, {"step": step, **metadata})
    for old in checkpoints(run.checkpoints)[:-keep]:
        old.unlink()
    return path


def write(path: Path, system: System, metadata: Mapping[str, Any]) -> None:
    """Writes a checkpoint to a file of any name."""
    texts = {key: json.dumps(value) for key, value in metadata.items()}
    save_checkpoint(path, parts_of(system), {**texts, "fingerprint": identity(system.generator)})


def load(path: Path, system: System) -> dict[str, Any]:
    """Loads a checkpoint into a system, and returns its metadata.

    Raises:
        CheckpointError: It is damaged, or belongs to another backbone or recipe.
    """
    load_generator(system.generator, path)
    if system.average:
        system.average.load(state_of(system.generator))
        load_state(system.generator, load_part(path, _TRAINED))
    for name, learner in system.learners.items():
        if name != "generator":
            load_state(learner.part, load_part(path, name))
        state = load_part(path, f"{name}.optimizer")
        load_optimizer_state(learner.optimizer, learner.parameters, state)
    texts = read_metadata(path)
    return {key: json.loads(texts[key]) for key in texts.keys() - {"fingerprint", "parts"}}


def newest_whole(run: Run) -> Path | None:
    """Returns the newest checkpoint that is whole; renames damaged ones, with a notice.

    Raises:
        CheckpointError: All are damaged.
    """
    found = checkpoints(run.checkpoints)
    if run.checkpoints.is_dir():
        remove_leftovers(run.checkpoints)
    for path in reversed(found):
        try:
            verify(path)
        except CheckpointError as error:
            aside = path.with_name(path.name + _DAMAGED)
            path.replace(aside)
            _LOG.warning("Notice: %s It was renamed to %s.", error, aside.name)
        else:
            return path
    if any(run.checkpoints.glob(f"*{_DAMAGED}")):  # also those of an earlier attempt
        recipe = shlex.quote(str(run.recipe_path))
        raise CheckpointError(
            f"All checkpoints in {run.checkpoints} are damaged.",
            f"Train again, in another folder: toolkit train --config {recipe} --out DIR",
        )
    return None
