"""Exporting a run: its generator's weights for other programs, and a model card beside them."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from toolkit.checkpoints import read_metadata
from toolkit.component import Component, Mirrors
from toolkit.errors import UsageError
from toolkit.interfaces import Exportable
from toolkit.makers import border
from toolkit.paths import user_path
from toolkit.recipe import SLOTS, Recipe
from toolkit.registry import Registry
from toolkit.runs import Run
from toolkit.specs import Selection

Form = Literal["diffusers", "merged"]
Keys = Literal["diffusers", "comfyui"]

CARD = "README.md"
_ANOTHER = "Name another folder: --out DIR"
_TAGS = ("super-resolution", "image-restoration", "one-step-diffusion", "dfosd")
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_HUB_URL = re.compile(r"https://huggingface\.co/([^/]+/[^/]+)/resolve/")
_HUB_LICENCES = {"CreativeML-OpenRAIL++-M": "openrail++"}
"""What the model hub calls a licence, where that is not the SPDX identifier in lower case."""


class Export(NamedTuple):
    """What was written."""

    step: int
    """Of the checkpoint."""
    files: tuple[str, ...]
    """Their paths inside the folder."""


class Base(NamedTuple):
    """The pretrained weights that a run builds on."""

    name: str
    """OWNER/NAME on the model hub, or else the backbone's name."""
    on_hub: bool
    licence: str
    origin: str
    """Where they come from, to follow the name in a sentence."""


def export_run(
    run: Run, registry: Registry, out: Path, form: Form = "diffusers", keys: Keys = "diffusers"
) -> Export:
    """Writes the newest checkpoint's generator into a new folder, whole or not at all.

    Args:
        run: Trained.
        registry: Where its generator is found.
        out: The folder; it may exist if it is empty.
        form: "diffusers": what was trained alone. "merged": whole networks.
        keys: Whose names the trained weights get; a merged export has diffusers' own.

    Raises:
        UsageError: There is no run, its generator cannot be exported, or `out` is not free.
        CheckpointError: There is no checkpoint, or it is torn, or of another backbone.
    """
    recipe, checkpoint = run.recipe(), run.latest()
    if form == "merged" and keys != "diffusers":
        raise UsageError(
            f"--keys {keys} is about a LoRA's names, and a merged export has no LoRA.",
            f"Leave --keys out, or: --to diffusers --keys {keys}",
        )
    with _appearing(out) as folder:
        generator = run.generator(registry, checkpoint)
        if not isinstance(generator, Exportable):
            raise UsageError(
                f"The generator {recipe.gen.name!r} of {run.folder} offers no export.",
                f"It still restores: toolkit restore photo.jpg --with {run.quoted}",
            )
        base, step = _base(recipe, registry), int(read_metadata(checkpoint)["step"])
        with border(generator):
            use = generator.export(folder, form, keys, base.name)
        parts = _front_matter(base, form), use, _training(recipe, step), _licence(base)
        (folder / CARD).write_text("\n".join(parts), encoding="utf-8")
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return Export(step, tuple(path.relative_to(folder).as_posix() for path in files))


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """A folder to write into, which takes its place when the block ends, or leaves nothing."""
    place = out.resolve()
    if place == Path.cwd():
        raise UsageError("The folder that you are in would be replaced.", _ANOTHER)
    if place.exists() and not (place.is_dir() and not any(place.iterdir())):
        reason = "already holds files" if place.is_dir() else "is a file"
        raise UsageError(f"{out} {reason}.", _ANOTHER)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    except OSError as error:
        raise UsageError(f"Cannot write to {out}: {error.strerror}.", _ANOTHER) from None
    try:
        yield folder
        for path in (folder, *folder.rglob("*")):  # some come readable by their owner alone
            path.chmod(0o755 if path.is_dir() else 0o644)
        if place.is_dir():
            place.rmdir()
        folder.rename(place)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _base(recipe: Recipe, registry: Registry) -> Base:
    """Of the backbone that the generator itself is on."""
    own = registry.options("generator", recipe.gen)
    selection: Selection = getattr(own, "backbone", recipe.backbone)
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
    # Only the last part, as of all paths here: see `_may_be_shown`.
    return Base(component.name, False, component.licence, f"(`{Path(named).name}`)")


def _published(component: Component) -> str:
    """The first home of a component's files on the model hub; empty if there is none."""
    urls = [
        url
        for file in component.weights
        for source in file.sources
        if isinstance(source, Mirrors)
        for url in source.urls
    ]
    return next((found[1] for url in urls if (found := _HUB_URL.match(url))), "")


def _front_matter(base: Base, form: Form) -> str:
    licence = _HUB_LICENCES.get(base.licence, base.licence.lower())
    lines = ["---", f"license: {licence}", "library_name: diffusers"]
    if base.on_hub:  # a name that the hub lacks would lead nowhere
        lines.append(f"base_model: {base.name}")
    lines += ["pipeline_tag: image-to-image", "tags:"]
    lines += [f"- {tag}" for tag in (*_TAGS, *(["lora"] if form == "diffusers" else []))]
    return "\n".join([*lines, "---", ""])


def _training(recipe: Recipe, step: int) -> str:
    train = recipe.train
    weighted = recipe.objective.model_dump(exclude={"further"}) | recipe.objective.further
    weights = ", ".join(f"{key} {value:g}" for key, value in weighted.items())
    rows: list[tuple[str, str]] = [
        *((kind, _component(recipe.selection(slot))) for slot, kind in SLOTS.items()),
        ("weights of the losses", weights),
        ("steps", f"{step}, each of {train.batch} crops of {train.crop} pixels"),
        ("learning rates", f"{train.lr:g}; of the discriminator {train.disc_lr:g}"),
        ("seed", str(train.seed)),
    ]
    if train.start and _may_be_shown(train.start):
        rows.append(("begun with", f"the generator of `{train.start}`"))
    lines = ["## Training", "", "| | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {text} |" for name, text in rows), ""])


def _component(selection: Selection) -> str:
    """Its name, its backbone's, and its plain options."""
    own = selection.options.get("backbone")
    on = f" on `{Selection.model_validate(own).use}`" if own else ""
    told = [
        f"{key} {value}"
        for key, value in selection.options.items()
        if key != "backbone" and isinstance(value, str | int | float) and _may_be_shown(str(value))
    ]
    return f"`{selection.use}`{on}" + (f": {', '.join(told)}" if told else "")


def _may_be_shown(text: str) -> bool:
    """Whether it is no path: a card is made to be shown, and a path says much of its author."""
    return text != "" and not set(text) & set("/\\|\n")


def _licence(base: Base) -> str:
    return (
        "## Licence\n\n"
        f"The base weights are {base.name} {base.origin}; that model's licence is {base.licence}.\n"
        "What is here was made from them, and the same licence holds for it.\n"
    )
