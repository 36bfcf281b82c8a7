"""The model card of an export: base, training and licence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from toolkit.component import Component
from toolkit.paths import user_path
from toolkit.recipe import SLOTS, LossTerm, Recipe
from toolkit.registry import Registry
from toolkit.reporting.measured import Figure
from toolkit.specs import Selection
from toolkit.weights import Mirrors

CARD = "README.md"
_TAGS = ("super-resolution", "image-restoration")
_ARROWS: Mapping[str | None, str] = {"higher": "↑", "lower": "↓", None: ""}
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_HUB_URL = re.compile(r"https://huggingface\.co/([^/]+/[^/]+)/resolve/")
_HUB_LICENCES = {"CreativeML-OpenRAIL++-M": "openrail++"}
"""The model hub's names of licences, if not the SPDX identifier in lower case."""
_HUB_LICENCE = re.compile(r"[\w.+-]+")


class Export(NamedTuple):
    """An export that was written."""

    step: int | None
    """Step of the checkpoint; None for a restorer that is no run."""
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


def base_of(recipe: Recipe, registry: Registry) -> Base:
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
    # Only the last part of the path: see `may_be_shown`.
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


def front_matter(base: Base, library: str, *tags: str) -> str:
    """The head of a card, as the model hub reads it."""
    name = _HUB_LICENCES.get(base.licence, base.licence.lower())
    lines = ["---", f"license: {name if _HUB_LICENCE.fullmatch(name) else 'other'}"]
    lines.append(f"library_name: {library}")
    if base.on_hub:  # else the card would contain a broken link
        lines.append(f"base_model: {base.name}")
    lines += ["pipeline_tag: image-to-image", "tags:"]
    return "\n".join([*lines, *(f"- {tag}" for tag in (*_TAGS, *tags)), "---", ""])


def measured(figures: Iterable[Figure]) -> str:
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


def training(recipe: Recipe, step: int) -> str:
    """A table of the components and settings of a run; no paths."""
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
    if train.start and may_be_shown(train.start):
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
        if key != "backbone" and isinstance(value, str | int | float) and may_be_shown(str(value))
    ]
    return f"`{selection.use}`{on}" + (f": {', '.join(options)}" if options else "")


def shown(value: Any) -> Any:
    """Returns a recipe's plain values with the last part of each path alone."""
    if isinstance(value, Mapping):
        return {key: shown(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shown(each) for each in value]
    if isinstance(value, str) and value and not may_be_shown(value):
        return PurePath(value.replace("\\", "/")).name
    return value


def may_be_shown(text: str) -> bool:
    """Whether a value may appear in a card; paths may not, as they can reveal private names."""
    return text != "" and not set(text) & set("/\\|\n")


def licence(base: Base) -> str:
    """A sentence on the base's licence, which an export has, too."""
    return (
        "## Licence\n\n"
        f"The base weights are {base.name} {base.origin}, licensed under {base.licence}.\n"
        "The weights in this folder are derived from them and have the same licence.\n"
    )


def finish(folder: Path, step: int | None, *sections: str) -> Export:
    """Writes the card beside the other files, and lists them all."""
    (folder / CARD).write_text("\n".join(filter(None, sections)), encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return Export(step, tuple(path.relative_to(folder).as_posix() for path in files))
