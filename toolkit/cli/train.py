"""`toolkit train`."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit import launcher
from toolkit.cli.completion import names_of
from toolkit.cli.output import Format, load_registry, note, note_all, show_json
from toolkit.cli.stopping import asked_to_stop, stop_printing, terminals
from toolkit.paths import user_path

if TYPE_CHECKING:
    from toolkit.component import Kind
    from toolkit.recipe import Recipe
    from toolkit.registry import Registry
    from toolkit.runs import Run
    from toolkit.training.loop import Outcome, Report


def _slot(kind: Kind, meaning: str, metavar: str = "NAME[:VARIANT]") -> Any:
    return typer.Option(metavar=metavar, help=meaning, rich_help_panel="Parts",
                        autocompletion=names_of(kind))  # fmt: skip


def train(
    config: Annotated[
        Path | None, typer.Option(parser=user_path, metavar="PATH",
                     help="A recipe, such as the recipe.toml of a run.")
    ] = None,
    gen: Annotated[str | None, _slot("generator", "The generator, such as one-step.")] = None,
    backbone: Annotated[
        str | None, _slot("backbone", "Its diffusion model, such as pocket.")] = None,
    disc: Annotated[
        str | None, _slot("discriminator", "The discriminator, such as nad or none.")] = None,
    loss: Annotated[
        list[str] | None,
        _slot("loss", "A loss, with its weight if it is not 1. One is added to the mean squared "
              "error; several are taken as they are.", "NAME[=WEIGHT]"),
    ] = None,
    degradation: Annotated[
        str | None, _slot("degradation", "The degradation that makes LR images.")] = None,
    data: Annotated[
        str | None, _slot("dataset", "A dataset, or a folder of photographs.", "NAME|DIR")] = None,
    steps: Annotated[int | None, typer.Option(help="Number of training steps in all.")] = None,
    batch: Annotated[int | None, typer.Option(help="Images per step.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all randomness.")] = None,
    track: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", autocompletion=names_of("tracker"),
                     help="Follow the run with a tracker, such as tensorboard; may be repeated."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="RUN|NAME", help="Start from this run's generator, or from pocket."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(parser=user_path, metavar="PATH",
                     help="Folder of the run.", show_default="runs/DISC-LOSS")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    accept: Annotated[
        bool,
        typer.Option("--accept-changes", help="Resume although code or data have changed."),
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SLOT.OPTION=VALUE",
                     help="Set any option, such as disc.lora_rank=8 or train.lr=1e-4."),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(parser=user_path, metavar="DIR",
                     help="Repeat a step that was not finite, such as RUN/crash/step-0000123."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the full recipe and train nothing.")
    ] = False,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Print the memory and work of a step, and train nothing."),
    ] = False,
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="With --plan: print settings that fit, such as 24GB."),
    ] = None,
    ranks: Annotated[
        int | None,
        typer.Option(min=1, help="With --plan: number of processes that share a batch."),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="Format of the output.")]
    = Format.table,
) -> None:  # fmt: skip
    """Train a one-step super-resolver. Every part is a plugin, chosen by name.

    Examples:
      toolkit train --disc nad --loss ea-dists

      toolkit train --loss mse --loss ea-dists=0.5 --loss lattice=20

      toolkit train --data ~/photos --steps 5000 --out runs/mine

      toolkit train --resume --out runs/mine

      toolkit train --start pocket --data ~/photos --set train.lr=1e-4

      toolkit train --backbone sd21 --set train.crop=512 --plan --memory 24GB

      torchrun --nproc-per-node=4 -m toolkit train --batch 16 --out runs/four-gpus
    """
    from toolkit.recipe import compose, data_selection, read_recipe, resolve
    from toolkit.runs import Run

    registry = load_registry()
    if replay:
        from toolkit.cli.replay import show_replay

        show_replay(replay, registry, overrides or [], output)
        return
    slots = {"gen": gen, "backbone": backbone, "disc": disc, "loss": loss or None,
             "degradation": degradation, "data": data and data_selection(data),
             "train.steps": steps, "train.batch": batch, "train.seed": seed,
             "train.start": start, "train.track": track or None}  # fmt: skip
    flags = {key: value for key, value in slots.items() if value is not None}
    if resume or _restarted(out):
        run = _run_to_resume(out)
        recipe = _resumed_recipe(run, config, flags, overrides or [], registry)
    else:
        base = read_recipe(config) if config else _begun(start, registry)
        recipe = resolve(compose(base, flags, overrides or []), registry)
        run = Run(out or Path("runs") / f"{recipe.disc.name}-{recipe.losses}")
        if not (dry_run or plan or memory is not None or ranks is not None):
            run.check_free()
    if plan or memory is not None or ranks is not None:
        from toolkit.cli.plan import show_plan

        show_plan(recipe, registry, memory, ranks or 1, output)
        return
    if dry_run:
        show_json(recipe.model_dump(mode="json")) if output is Format.json else print(recipe.toml())
        return
    outcome = _train(run, recipe, registry, accept=accept)
    if _first():
        _conclude(run, recipe, outcome, output)
    if outcome.stopped:
        sys.exit(130)


def _first() -> bool:
    """Whether this process writes and reports, as the first of those that a launcher started."""
    return launcher.rank() == 0


def _restarted(out: Path | None) -> bool:
    """Whether torchrun has started this command again after a failure, which resumes its run."""
    from toolkit.errors import UsageError
    from toolkit.runs import Run

    if not launcher.restarts():
        return False
    if out is None:
        raise UsageError(
            "A training that may be restarted needs a folder of its own.", "Name it: --out DIR"
        )
    return Run(out).exists


def _begun(start: str | None, registry: Registry) -> dict[str, Any]:
    """Returns the backbone and generator of the run to start from."""
    from toolkit.runs import run_named

    tables = run_named(start, registry).recipe_tables() if start else {}
    return {slot: tables[slot] for slot in ("backbone", "gen") if slot in tables}


def _run_to_resume(out: Path | None) -> Run:
    from toolkit.errors import UsageError
    from toolkit.runs import Run, newest_run

    found = Run(out) if out else newest_run()
    if found is None:
        raise UsageError(
            "There is no run below runs/ to resume.", "Name its folder: --resume --out DIR"
        )
    return found


def _resumed_recipe(
    run: Run, config: Path | None, flags: dict[str, Any], overrides: list[str], registry: Registry
) -> Recipe:
    """Returns the run's recipe with the options that may change on resuming."""
    from toolkit.errors import UsageError
    from toolkit.recipe import compose, resolve
    from toolkit.training.resuming import check_recipe

    own = run.recipe_tables()
    if config and not _restarted(run.folder):
        raise UsageError("--resume uses the run's own recipe.", "Leave --config out.")
    with run.naming_suppliers():
        if "data" in flags:
            flags = {**flags, "data": _moved(own.get("data"), flags["data"], registry)}
        recipe = resolve(compose(own, flags, overrides), registry)
    check_recipe(run, recipe, registry)
    return recipe


def _moved(before: Any, now: str, registry: Registry) -> Any:
    """Returns the run's own dataset in the folder that --data names."""
    from toolkit import defaults
    from toolkit.component import takes_path

    name, _, folder = now.partition(":")
    if name != defaults.FOLDER or not isinstance(before, dict):
        return now
    dataset = registry.find("dataset", before["use"])
    return {**before, dataset.variant: folder} if takes_path(dataset) else now


def _confirm(message: str, *, accept: bool) -> bool:
    """Asks on a terminal; with `accept` the answer is yes."""
    if accept:
        note(f"Notice: {message}")
        return True
    if sys.stdin.isatty() and sys.stderr.isatty():
        note(message)
        return typer.confirm("Resume anyway?", err=True)
    return False


def _train(run: Run, recipe: Recipe, registry: Registry, *, accept: bool) -> Outcome:
    from toolkit.cli.progress import training_progress
    from toolkit.training.loop import train

    # A generator that takes no backbone has no use for the recipe's.
    takes = "backbone" in registry.find("generator", recipe.gen.name).options.model_fields
    backbone = recipe.own_backbones().get("gen", recipe.backbone)
    under = f" on {backbone.name}" if takes else ""
    if _first():
        note(
            f"Training {recipe.gen.name}{under} against {recipe.disc.name} with {recipe.losses}, "
            f"{recipe.degradation.name} on {recipe.data.name}, in {run.folder}"
        )
    shown = terminals()
    with ExitStack() as stack:
        asked = stack.enter_context(asked_to_stop(shown, told=_first()))
        show_report = None
        if _first():
            show_report = stack.enter_context(training_progress(recipe.train.steps))

        def show(report: Report) -> None:
            try:
                if show_report:
                    show_report(report)
            except OSError:  # the terminal is gone; the signal that says so may be on its way
                stop_printing(shown)

        return train(
            run,
            recipe,
            registry,
            on_step=show,
            should_stop=lambda: bool(asked),
            confirm=lambda message: _confirm(message, accept=accept),
        )


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
                "early": outcome.early,
                "best": outcome.best,
                "skipped": [{"name": n, "reason": reason} for n, reason in outcome.skipped],
            }
        )
    elif outcome.stopped:
        print(f"Stopped after step {outcome.step} of {recipe.train.steps}, and saved.")
        print(f"Resume:  toolkit train --resume --out {run.quoted}")
    else:
        early = ": validation no longer improves" if outcome.early else ""
        print(f"Trained {outcome.step} steps{early}; the run is in {run.folder}.")
        if outcome.early:
            print(f"Train on:  toolkit train --resume --out {run.quoted} --set train.patience=0")
        print(f"Use it:  toolkit restore PHOTO.jpg --with {run.quoted}")
        if outcome.best is not None:
            best = shlex.quote(str(run.checkpoints / "best.safetensors"))
            print(f"Or the best by validation, step {outcome.best}:  --with {best}")
