"""Exports a run: its generator's weights for other programs, and a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from toolkit import members
from toolkit.abilities import Exportable
from toolkit.checkpoints import read_metadata
from toolkit.errors import UsageError
from toolkit.exporting.card import (
    Export,
    base_of,
    finish,
    front_matter,
    licence,
    measured,
    training,
)
from toolkit.files import appearing_folder
from toolkit.registry import Registry
from toolkit.reporting.measured import figures_of
from toolkit.runs import Run

Form = Literal["diffusers", "merged"]
Keys = Literal["diffusers", "comfyui"]
_TAGS = ("one-step-diffusion", "dfosd")


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
        base, step = base_of(recipe, registry), int(read_metadata(checkpoint)["step"])
        use = members.export(generator, folder, form, keys, base.name)
        tags = (*_TAGS, "lora") if form == "diffusers" else _TAGS
        head = front_matter(base, "diffusers", *tags)
        figures = measured(figures_of(run, checkpoint, registry, step))
        return finish(folder, step, head, use, figures, training(recipe, step), licence(base))
