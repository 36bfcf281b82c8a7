"""`toolkit train`."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.output import Format, load_registry, note, note_all, show_json
from toolkit.paths import user_path

if TYPE_CHECKING:
    from toolkit.recipe import Recipe
    from toolkit.registry import Registry
    from toolkit.runs import Run
    from toolkit.training.loop import Outcome, Report


def _slot(meaning: str, metavar: str = "NAME[:VARIANT]") -> Any:
    return typer.Option(metavar=metavar, help=meaning, rich_help_panel="Parts")


def train(
    config: Annotated[
        Path | None, typer.Option(parser=user_path, metavar="PATH",
                     help="A recipe to start from, such as another run's recipe.toml.")
    ] = None,
    gen: Annotated[str | None, _slot("What is trained, such as one-step.")] = None,
    backbone: Annotated[str | None, _slot("The diffusion model under it, such as pocket.")] = None,
    disc: Annotated[str | None, _slot("What it is trained against: nad, none.")] = None,
    loss: Annotated[str | None, _slot("What is added to the pixels' error: ea-dists.")] = None,
    degradation: Annotated[str | None, _slot("What makes LR of HR: realesrgan.")] = None,
    data: Annotated[str | None, _slot("A dataset, or your photographs.", "NAME|DIR")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps in all.")] = None,
    batch: Annotated[int | None, typer.Option(help="Images a step.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides everything random.")] = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="RUN|NAME", help="A run to begin with the generator of, or pocket."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(parser=user_path, metavar="PATH",
                     help="Folder of the run; by default runs/DISC-LOSS.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    accept: Annotated[
        bool,
        typer.Option("--accept-changes", help="Resume although code or data is not the same."),
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SLOT.OPTION=VALUE",
                     help="Any option of any part, such as disc.lora_rank=8 or train.lr=1e-4."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the full recipe and train nothing.")
    ] = False,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Say what memory and work a step needs, and train nothing."),
    ] = False,
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="With --plan: which settings fit a memory, as 24GB."),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print the outcome.")]
    = Format.table,
) -> None:  # fmt: skip
    """Train a one-step super-resolver. Every part is a plugin, chosen by name.

    Examples:
      toolkit train --disc nad --loss ea-dists

      toolkit train --data ~/photos --steps 5000 --out runs/mine

      toolkit train --resume --out runs/mine

      toolkit train --start pocket --data ~/photos --set train.lr=1e-4

      toolkit train --backbone sd21 --set train.crop=512 --plan --memory 24GB
    """
    from toolkit.recipe import compose, data_selection, read_recipe, resolve
    from toolkit.runs import Run

    registry = load_registry()
    slots = {"gen": gen, "backbone": backbone, "disc": disc, "loss": loss,
             "degradation": degradation, "data": data and data_selection(data),
             "train.steps": steps, "train.batch": batch, "train.seed": seed,
             "train.start": start}  # fmt: skip
    flags = {key: value for key, value in slots.items() if value is not None}
    if resume:
        run = _run_to_resume(out)
        recipe = _resumed_recipe(run, config, flags, overrides or [], registry)
        if not (dry_run or plan or memory is not None):
            _ask_about_changes(run, recipe, registry, accept=accept)
    else:
        base = read_recipe(config) if config else _begun(start, registry)
        recipe = resolve(compose(base, flags, overrides or []), registry)
        run = Run(out or Path("runs") / f"{recipe.disc.name}-{recipe.loss.name}")
        if not (dry_run or plan or memory is not None):
            run.check_free()
    if plan or memory is not None:
        from toolkit.cli.plan import show_plan

        show_plan(recipe, registry, memory, output)
        return
    if dry_run:
        show_json(recipe.model_dump(mode="json")) if output is Format.json else print(recipe.toml())
        return
    outcome = _train(run, recipe, registry)
    _conclude(run, recipe, outcome, output)


def _begun(start: str | None, registry: Registry) -> dict[str, Any]:
    """Without a recipe of its own, a run that begins with another's generator has its options."""
    from toolkit.runs import run_named

    tables = run_named(start, registry).recipe_tables() if start else {}
    return {slot: tables[slot] for slot in ("backbone", "gen") if slot in tables}


def _run_to_resume(out: Path | None) -> Run:
    from toolkit.errors import UsageError
    from toolkit.runs import Run, newest_run

    found = Run(out) if out else newest_run()
    if found is None:
        raise UsageError(
            "There is no run below runs/ to go on with.", "Name its folder: --resume --out DIR"
        )
    return found


def _resumed_recipe(
    run: Run, config: Path | None, flags: dict[str, Any], overrides: list[str], registry: Registry
) -> Recipe:
    """The run's own recipe; what would make it another run is refused."""
    from toolkit.errors import UsageError
    from toolkit.recipe import compose, difference, resolve

    own = run.recipe_tables()
    if config:
        raise UsageError("--resume goes on with the run's own recipe.", "Leave --config out.")
    chosen, before = flags.get("data"), own.get("data")
    if isinstance(chosen, dict) and isinstance(before, dict) and "folder" in before:
        flags = {**flags, "data": {**before, "folder": chosen["folder"]}}  # where it is now
    with run.naming_suppliers():
        recipe = resolve(compose(own, flags, overrides), registry)
    changed = difference(resolve(own, registry), recipe)
    if changed:
        raise UsageError(
            f"{run.folder} was trained with another {changed[0]}; resuming cannot change it.",
            "Leave it out, or start another run: --out DIR",
        )
    return recipe


def _ask_about_changes(run: Run, recipe: Recipe, registry: Registry, *, accept: bool) -> None:
    """Other code or data than before makes other results: that wants a yes.

    Raises:
        UsageError: There is nobody to ask, or the answer is no.
    """
    from toolkit.errors import UsageError
    from toolkit.provenance import changed
    from toolkit.training.material import changed_material, material_of, read_material

    told = changed(run.recipe().provenance, recipe.provenance)
    dataset = registry.make("dataset", recipe.data)
    if files := changed_material(read_material(run.folder), material_of(dataset)):
        told.append(files)
    if not told:
        return
    message = f"{run.folder} was trained with something else: {'; '.join(told)}."
    if accept:
        note(f"Notice: {message}")
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        note(message)
        if typer.confirm("Go on all the same?", err=True):
            return
    words = ["toolkit", "train", "--resume", "--accept-changes", "--out", str(run.folder)]
    raise UsageError(message, f"To go on all the same: {shlex.join(words)}")


def _train(run: Run, recipe: Recipe, registry: Registry) -> Outcome:
    from toolkit.cli.progress import training_progress
    from toolkit.training.loop import train

    # A generator without a backbone of its own has no use for the recipe's.
    under = f" on {recipe.backbone.name}" if "backbone" in recipe.gen.options else ""
    note(
        f"Training {recipe.gen.name}{under} against {recipe.disc.name} "
        f"with {recipe.loss.name}, {recipe.degradation.name} on {recipe.data.name}, in {run.folder}"
    )
    terminals = _terminals()
    with _asked_to_stop(terminals) as asked, training_progress(recipe.train.steps) as show_report:

        def show(report: Report) -> None:
            try:
                show_report(report)
            except OSError:  # the terminal is gone; the signal that says so may be on its way
                _stop_printing(terminals)

        return train(run, recipe, registry, on_step=show, should_stop=lambda: bool(asked))


def _terminals() -> list[int]:
    """Which of stdout and stderr are terminals, while they can be asked."""
    found = []
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            found += [stream.fileno()] if stream.isatty() else []
    return found


def _stop_printing(terminals: list[int]) -> None:
    """Sends to nowhere what would be printed on a terminal that is gone, as that would fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for each in terminals:
        os.dup2(nowhere, each)


@contextmanager
def _asked_to_stop(terminals: list[int]) -> Iterator[list[int]]:
    """Collects Ctrl-C and termination; a second Ctrl-C stops at once."""
    asked: list[int] = []

    def ask(number: int, _frame: Any) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)
        if number == getattr(signal, "SIGHUP", None):
            _stop_printing(terminals)
        note("\nStopping after this step, and saving. Ctrl-C again stops at once, without saving.")

    # A terminal that is closed sends SIGHUP, where there is such a signal.
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _conclude(run: Run, recipe: Recipe, outcome: Outcome, output: Format) -> None:
    note_all(f"{len(outcome.skipped)} images were skipped:", outcome.skipped)
    if output is Format.json:
        show_json(
            {
                "run": str(run.folder),
                "step": outcome.step,
                "steps": recipe.train.steps,
                "seconds": round(outcome.seconds, 1),
                "checkpoint": str(outcome.checkpoint),
                "stopped": outcome.stopped,
                "skipped": [{"name": n, "reason": reason} for n, reason in outcome.skipped],
            }
        )
    elif outcome.stopped:
        print(f"Stopped after step {outcome.step} of {recipe.train.steps}, and saved.")
        print(f"Go on:   toolkit train --resume --out {shlex.quote(str(run.folder))}")
    else:
        print(f"Trained {outcome.step} steps; the run is in {run.folder}.")
        print(f"Use it:  toolkit restore PHOTO.jpg --with {shlex.quote(str(run.folder))}")
    if outcome.stopped:
        sys.exit(130)
