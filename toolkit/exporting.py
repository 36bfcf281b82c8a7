"""Exports a run: its generator's weights for other programs, and a model card."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from toolkit.abilities import Exportable
from toolkit.checkpoints import read_metadata
from toolkit.component import Component
from toolkit.errors import UsageError
from toolkit.files import appearing_folder
from toolkit.makers import border
from toolkit.paths import user_path
from toolkit.recipe import SLOTS, LossTerm, Recipe
from toolkit.registry import Registry
from toolkit.reporting.measured import Figure, figures_of
from toolkit.runs import Run
from toolkit.specs import Selection
from toolkit.weights import Mirrors

Form = Literal["diffusers", "merged"]
Keys = Literal["diffusers", "comfyui"]

CARD = "README.md"
_TAGS = ("super-resolution", "image-restoration", "one-step-diffusion", "dfosd")
_ARROWS: Mapping[str | None, str] = {"higher": "↑", "lower": "↓", None: ""}
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_HUB_URL = re.compile(r"https://huggingface\.co/([^/]+/[^/]+)/resolve/")
_HUB_LICENCES = {"CreativeML-OpenRAIL++-M": "openrail++"}
"""The model hub's names of licences, if not the SPDX identifier in lower case."""


class Export(NamedTuple):
    """An export that was written."""

    step: int
    """Step of the checkpoint."""
    files: tuple[str, ...]
    """Their paths inside the folder."""


class Base(NamedTuple):
    """The pretrained weights that a run is based on."""

    name: str
    """OWNER/NAME on the model hub, or else the backbone's name."""
    on_hub: bool
    licence: str
    origin: str
    """Their origin, to follow the name in a sentence."""


def export_run(
    run: Run, registry: Registry, out: Path, form: Form = "diffusers", keys: Keys = "diffusers"
) -> Export:
    """Writes the newest checkpoint's generator into a new folder, atomically.

    Args:
        run: The run.
        registry: Supplies its generator.
        out: The folder, which may exist if it is empty.
        form: "diffusers": the trained weights alone. "merged": whole networks.
        keys: Naming scheme of the trained weights; a merged export always has diffusers' names.

    Raises:
        UsageError: There is no run, its generator cannot be exported, or `out` is not free.
        CheckpointError: The checkpoint is missing, damaged, or of another backbone.
    """
    recipe, checkpoint = run.recipe(), run.latest()
    if form == "merged" and keys != "diffusers":
        raise UsageError(
            f"--keys {keys} names LoRA weights, and a merged export has no LoRA.",
            f"Omit --keys, or: --to diffusers --keys {keys}",
        )
    with appearing_folder(out) as folder:
        generator = run.generator(registry, checkpoint)
        if not isinstance(generator, Exportable):
            raise UsageError(
                f"The generator {recipe.gen.name!r} of {run.folder} cannot be exported.",
                f"It can restore: toolkit restore photo.jpg --with {run.quoted}",
            )
        base, step = _base(recipe, registry), int(read_metadata(checkpoint)["step"])
        with border(generator):
            use = generator.export(folder, form, keys, base.name)
        measured = _measured(figures_of(run, checkpoint, registry, step))
        parts = _front_matter(base, form), use, measured, _training(recipe, step), _licence(base)
        (folder / CARD).write_text("\n".join(filter(None, parts)), encoding="utf-8")
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return Export(step, tuple(path.relative_to(folder).as_posix() for path in files))


def _base(recipe: Recipe, registry: Registry) -> Base:
    """Describes the backbone of the generator."""
    selection = recipe.own_backbones().get("gen", recipe.backbone)
    component = registry.find("backbone", selection.name)
    options = registry.options("backbone", selection)
    named = str(getattr(options, component.variant, "")) if component.variant else ""
    if not named:
        hub = _published(component)
        return Base(
            hub or component.name, bool(hub), component.licence,
            f"(`{component.name}`)" if hub else f"(it comes with {registry.provider(component)})",
        )  # fmt: skip
    if _HUB_ID.fullmatch(named) and not user_path(named).exists():
        return Base(named, True, component.licence, f"(a `{component.name}`)")
    # Only the last part of the path: see `_may_be_shown`.
    return Base(component.name, False, component.licence, f"(`{Path(named).name}`)")


def _published(component: Component) -> str:
    """Returns the first repository of a component's files on the model hub; empty if none."""
    urls = [
        url
        for file in component.weights
        for source in file.sources
        if isinstance(source, Mirrors)
        for url in source.urls
    ]
    return next((match[1] for url in urls if (match := _HUB_URL.match(url))), "")


def _front_matter(base: Base, form: Form) -> str:
    licence = _HUB_LICENCES.get(base.licence, base.licence.lower())
    lines = ["---", f"license: {licence}", "library_name: diffusers"]
    if base.on_hub:  # else the card would contain a broken link
        lines.append(f"base_model: {base.name}")
    lines += ["pipeline_tag: image-to-image", "tags:"]
    lines += [f"- {tag}" for tag in (*_TAGS, *(["lora"] if form == "diffusers" else []))]
    return "\n".join([*lines, "---", ""])


def _measured(figures: Iterable[Figure]) -> str:
    """Returns the section of the figures; empty if nothing was measured."""
    rows = [
        f"| {each.metric} {_ARROWS[each.direction]} | {each.mean:.4g} "
        f"| {each.photographs or ''} | {each.origin} |"
        for each in figures
    ]
    if not rows:
        return ""
    head = "## Measured", "", "| metric | mean | photographs | by |", "|---|---:|---:|---|"
    return "\n".join([*head, *rows, ""])


def _training(recipe: Recipe, step: int) -> str:
    train = recipe.train
    objective = ", ".join(f"{key} {value:g}" for key, value in recipe.objective)
    losses = [("loss", _weighted(term)) for term in recipe.loss.values()]
    rows: list[tuple[str, str]] = [
        *((kind, _component(recipe.selection(slot))) for slot, kind in SLOTS.items()),
        *losses,
        ("objective", objective),
        ("steps", f"{step}, each of {train.batch} crops of {train.crop} pixels"),
        ("learning rates", f"{train.lr:g}; discriminator {train.disc_lr:g}"),
        ("seed", str(train.seed)),
    ]
    if train.start and _may_be_shown(train.start):
        rows.append(("start", f"the generator of `{train.start}`"))
    lines = ["## Training", "", "| | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {text} |" for name, text in rows), ""])


def _weighted(term: LossTerm) -> str:
    return f"{_component(term.selection)}; weight {term.weight:g}"


def _component(selection: Selection) -> str:
    """Describes a component: name, backbone and plain options."""
    backbone = selection.options.get("backbone")
    on = f" on `{Selection.model_validate(backbone).use}`" if backbone else ""
    options = [
        f"{key} {value}"
        for key, value in selection.options.items()
        if key != "backbone" and isinstance(value, str | int | float) and _may_be_shown(str(value))
    ]
    return f"`{selection.use}`{on}" + (f": {', '.join(options)}" if options else "")


def _may_be_shown(text: str) -> bool:
    """Whether a value may appear in a card; paths may not, as they can reveal private names."""
    return text != "" and not set(text) & set("/\\|\n")


def _licence(base: Base) -> str:
    return (
        "## Licence\n\n"
        f"The base weights are {base.name} {base.origin}, licensed under {base.licence}.\n"
        "The weights in this folder are derived from them and have the same licence.\n"
    )
