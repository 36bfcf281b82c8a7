"""Steps that were not finite: kept in the run's folder, and repeated by `--replay`."""

from __future__ import annotations

import json
import os
import shlex
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from toolkit.checkpoints import load_part, save_checkpoint, verify
from toolkit.errors import CheckpointError, DataError
from toolkit.files import write_atomically
from toolkit.images import Picture, bicubic_resize, write_picture
from toolkit.recipe import Recipe, compose, resolve
from toolkit.registry import Registry
from toolkit.runs import Run
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.diagnosis import Diagnosis, as_json, diagnose, merged
from toolkit.training.saving import load, write
from toolkit.training.step import train_step
from toolkit.training.system import System
from toolkit.training.watch import NotFiniteError

REPORT, STATE, BATCH, SHEET = "report.json", "state.safetensors", "batch.safetensors", "batch.png"
_SHOWN = 16
"""Number of images on the sheet."""


@dataclass(frozen=True)
class Crash:
    """A step that was not applied.

    Attributes:
        folder: Where it is kept.
        step: Counted from 1.
        guilty: What is to blame, in words.
        source: The component that computed it; empty if it is not known.
    """

    folder: Path
    step: int
    guilty: str
    source: str = ""


@dataclass(frozen=True)
class Replayed:
    """The outcome of repeating a step.

    Attributes:
        step: Counted from 1.
        diagnosis: Values and gradients of each loss, and what is not finite.
        operation: The backward operation that returned a NaN, and the line that called its forward
            operation; empty if there is none.
        figures: What the step computed.
    """

    step: int
    diagnosis: Diagnosis
    operation: str
    figures: Mapping[str, float]


def keep_crash(run: Run, system: System, batch: Batch, step: int, error: NotFiniteError) -> Crash:
    """Writes a step that was not applied into `RUN/crash/step-…`; all ranks call it together.

    Args:
        run: Its folder.
        system: As before the step.
        batch: This process's share of the batch.
        step: Counted from 0.
        error: Says which figures are not finite.
    """
    ranks = system.ranks
    found = merged(ranks.gather(diagnose(system, batch, step)))
    found.guilty = found.guilty or error.figures.not_finite  # chance, if not found again
    numbers = [each for share in ranks.gather(batch.numbers) for each in share]
    names = [each for share in ranks.gather(batch.names) for each in share]
    whole = Batch(ranks.join(batch.lr.to(ranks.device)), ranks.join(batch.hr.to(ranks.device)))
    guilty = found.guilty[0]
    folder = run.crashes / f"step-{step + 1:07d}"
    crash = Crash(folder, step + 1, guilty, found.sources.get(guilty, ""))
    if ranks.first:
        report = {
            "step": crash.step,
            **found.document(),
            "figures": {name: as_json(value) for name, value in error.figures.flat().items()},
            "seed": system.seed,
            "samples": numbers,
            "photographs": names,
            "pieces": system.accumulate * ranks.size,
        }
        crash.folder.mkdir(parents=True, exist_ok=True)
        write(crash.folder / STATE, system, {"step": step})
        save_checkpoint(crash.folder / BATCH, {"batch": {"lr": whole.lr, "hr": whole.hr}}, {})
        write_picture(Picture(_sheet(whole)), crash.folder / SHEET)
        text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically(crash.folder / REPORT, text.encode())
    ranks.wait()
    return crash


def replay(folder: Path, registry: Registry, overrides: Sequence[str] = ()) -> Replayed:
    """Repeats the step in a crash's folder, with PyTorch's anomaly detection; changes no file.

    Args:
        folder: Of the crash, in its run.
        registry: Supplies the components.
        overrides: Options laid over the run's recipe, such as `train.device=cpu`.

    Raises:
        DataError: The folder holds no crash of a run.
        CheckpointError: Its files are damaged.
    """
    folder = folder.absolute()
    report, run = _read_report(folder), Run(folder.parent.parent)
    if not run.exists:
        raise DataError(
            f"{folder} is not in the folder of its run, whose recipe is needed to replay the step.",
            f"Move it back to where it was written: RUN/crash/step-{report['step']:07d}",
        )
    for name in (STATE, BATCH):
        _check(folder / name, run)
    with run.naming_suppliers():
        system = build_system(_recipe(run, registry, overrides), registry)
    system = replace(system, accumulate=report["pieces"])
    load(folder / STATE, system)
    tensors = load_part(folder / BATCH, "batch")
    told = tuple(report["samples"]), tuple(report["photographs"])
    batch, step = Batch(tensors["lr"], tensors["hr"], *told), report["step"] - 1
    diagnosis = diagnose(system, batch, step)
    operations: list[str] = []
    figures: Mapping[str, float] = {}
    with _anomalies(operations):
        try:
            figures = train_step(system, batch, step).flat()
        except NotFiniteError as error:
            figures = error.figures.flat()
    return Replayed(step + 1, diagnosis, "".join(operations), figures)


def _recipe(run: Run, registry: Registry, overrides: Sequence[str]) -> Recipe:
    """Returns a run's recipe, without what hides where an operation was called."""
    recipe = resolve(compose(run.recipe_tables(), {}, overrides), registry)
    update = {"shard": False, "compile": False}
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=update)})


def _read_report(folder: Path) -> dict[str, Any]:
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        return {
            "step": int(report["step"]),
            "pieces": int(report["pieces"]),
            "samples": list(report["samples"]),
            "photographs": list(report["photographs"]),
        }
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(
            f"{folder} holds no step to replay: there is no {REPORT} that can be read.",
            _other_steps(folder),
        ) from None


def _other_steps(folder: Path) -> str:
    """Returns where there are steps to replay: in the run that was named, or that this is in."""
    for place in (Run(folder).crashes, folder, folder.parent):
        found = sorted(place.glob(f"step-*/{REPORT}"))
        if others := [each.parent for each in found if each.parent != folder]:
            return f"For example: toolkit train --replay {shlex.quote(str(others[-1]))}"
    return "Name a folder such as RUN/crash/step-0000123"


def _check(path: Path, run: Run) -> None:
    try:
        verify(path)
    except CheckpointError as error:
        raise CheckpointError(
            str(error),
            f"The step cannot be repeated. To train on: toolkit train --resume --out {run.quoted}",
        ) from None


@contextmanager
def _anomalies(found: list[str]) -> Iterator[None]:
    """Collects what PyTorch's anomaly detection says in the block, which it may end early."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            with torch.autograd.detect_anomaly(check_nan=True):
                yield
        except RuntimeError as error:
            if "returned nan values" not in str(error):
                raise
            places = [_place(str(each.message)) for each in told]
            found.append(f"{str(error).rstrip('.')}{next(filter(None, places), '')}.")


def _place(message: str) -> str:
    """Returns the last line outside of PyTorch that called the forward operation.

    Args:
        message: A warning, perhaps PyTorch's own with the traceback of that call.
    """
    if "Traceback of forward call" not in message:
        return ""
    lines = [line.strip() for line in message.splitlines() if line.strip().startswith("File ")]
    own = [line for line in lines if f"{os.sep}torch{os.sep}" not in line]
    return f", called at {(own or lines)[-1].removeprefix('File ')}" if lines else ""


def _sheet(batch: Batch) -> Tensor:
    """Returns LR images, enlarged, above their HR images, `[3, h, w]`."""
    lr, hr = (torch.nan_to_num(x[:_SHOWN].float().cpu()).clamp(0, 1) for x in batch[:2])
    height, width = hr.shape[2:]
    rows = [torch.cat([*images], dim=2) for images in (bicubic_resize(lr, (height, width)), hr)]
    return torch.cat(rows, dim=1).clamp(0, 1)
