"""`toolkit train --replay`: repeats a step that was not finite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.output import Format, note, show_json, working

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.registry import Registry
    from toolkit.training.crash import Replayed


def show_replay(folder: Path, registry: Registry, overrides: Sequence[str], output: Format) -> None:
    """Repeats the step in a folder, and prints each loss, its gradient and what is not finite."""
    from toolkit.training.crash import replay
    from toolkit.training.diagnosis import as_json

    note(f"Repeating the step in {folder} …")
    with working():
        found = replay(folder, registry, overrides)
    if output is Format.table:
        print("\n".join(_lines(found)))
        return
    show_json(
        {
            "step": found.step,
            **found.diagnosis.document(),
            "operation": found.operation,
            "figures": {name: as_json(value) for name, value in found.figures.items()},
        }
    )


def _lines(found: Replayed) -> Iterator[str]:
    diagnosis = found.diagnosis
    width = max(map(len, ["loss", *diagnosis.values]))
    yield f"Step {found.step}:"
    yield f"  {'loss':<{width}}  {'value':>10}  gradient's norm"
    for name, value in diagnosis.values.items():
        norm = diagnosis.gradients.get(name)
        yield f"  {name:<{width}}  {value:>10.4g}  {'none' if norm is None else f'{norm:.4g}'}"
    for words in diagnosis.guilty:
        yield f"Not finite: {words}."
    if found.operation:
        yield f"PyTorch's anomaly detection: {found.operation}"
    if not diagnosis.guilty and not found.operation:
        yield "Everything is finite now: the cause was not in the batch or the weights."
