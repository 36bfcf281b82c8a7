"""`toolkit train --plan`: prints what a training step needs, and settings that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.cli.output import Format, note, show_json, working

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.costs.planning import Choice, Plan
    from toolkit.recipe import Recipe
    from toolkit.registry import Registry


def show_plan(
    recipe: Recipe, registry: Registry, memory: str | None, ranks: int, output: Format
) -> None:
    """Prints a plan for each of `ranks` processes; `memory` is a size such as `24GB`."""
    from toolkit.costs.planning import parse_memory, plan_training

    limit = None if memory is None else parse_memory(memory)
    note("Going through a step without computing it; no weights are read …")
    with working():
        plan = plan_training(recipe, registry, limit, ranks)
    if output is Format.json:
        show_json(plan.document())
        return
    print("\n".join(_memory_lines(recipe, plan)))
    if limit is not None:
        print("\n".join(_choice_lines(plan, str(memory))))


def _memory_lines(recipe: Recipe, plan: Plan) -> Iterator[str]:
    cost, train = plan.cost, recipe.train
    shared = f" in each of {plan.ranks} processes" if plan.ranks > 1 else ""
    yield (
        f"A step of {train.batch} crops of {train.crop} px on {recipe.backbone.use}, "
        f"{plan.images} at a time{shared}:"
    )
    for name, size in cost.frozen.items():
        yield _line(f"{name}, frozen", size)
    if cost.gathered:
        yield _line("a block's frozen weights, gathered", cost.gathered)
    for name, size in cost.losses.items():
        yield _line(f"the loss {name}, frozen", size)
    for name, size in cost.trained.items():
        if size:
            yield _line(f"{name}, trained", size)
    yield _line("gradients", cost.gradients)
    kind = "8-bit AdamW" if train.optimizer == "adamw-8bit" else "AdamW"
    yield _line(f"optimiser ({kind})", cost.optimizer)
    most = max(cost.activations.values())
    for name, size in cost.activations.items():
        counts = "" if size == most else "  (not at the same time)"
        yield _line(f"activations, {name}'s step", size * plan.images) + counts
    yield _line("at the peak", cost.peak(plan.images))
    work = ", ".join(f"{name} {gmacs:,.0f}" for name, gmacs in plan.gmacs.items())
    yield f"  Work of a step, forward and backward, in GMACs: {work}"


def _choice_lines(plan: Plan, memory: str) -> Iterator[str]:
    yield f"\nWithin {memory}, of which a tenth is left free, the least work first:"
    for choice in plan.choices:
        yield _choice_line(choice)
    best = plan.choices[0]
    if best.fits:
        yield "To take the first: " + " ".join(f"--set {each}" for each in best.settings)
    else:
        yield "Nothing fits: take smaller crops (--set train.crop=256), or a smaller backbone."


def _choice_line(choice: Choice) -> str:
    checkpointing = "checkpointing" if choice.checkpointing else "no checkpointing"
    pieces = f"{choice.batch // choice.accumulate} at a time, accumulate {choice.accumulate}"
    verdict = "fits" if choice.fits else "does not fit"
    return (
        f"  {verdict:<12}  {choice.precision:<8}  {checkpointing:<16}  {pieces:<26}"
        f"  {choice.peak / 1e9:6.2f} GB  {choice.gmacs:,.0f} GMACs"
    )


def _line(name: str, size: int) -> str:
    return f"  {name:<34} {size / 1e9:8.3f} GB"
