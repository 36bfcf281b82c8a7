"""`toolkit export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.output import Format, load_registry, show_json, working
from toolkit.cli.pushing import push as push_to_hub
from toolkit.errors import UsageError
from toolkit.paths import user_path


class Form(StrEnum):
    """Forms of an export."""

    diffusers = "diffusers"
    merged = "merged"


class Keys(StrEnum):
    """Naming schemes of LoRA weights."""

    diffusers = "diffusers"
    comfyui = "comfyui"


def export(
    run: Annotated[Path, typer.Argument(parser=user_path, metavar="RUN",
                     help="A run's folder.")],
    form: Annotated[
        Form,
        typer.Option("--to", help="diffusers: a LoRA and the embeddings, to use with the base's "
                     "weights; merged: whole networks in diffusers' layout."),
    ] = Form.diffusers,
    keys: Annotated[
        Keys, typer.Option(help="Naming scheme of the LoRA weights.")
    ] = Keys.diffusers,
    out: Annotated[
        Path | None,
        typer.Option(parser=user_path, metavar="DIR",
                     help="A new folder.", show_default="RUN/export-FORM"),
    ] = None,
    push: Annotated[
        str, typer.Option(metavar="OWNER/NAME", show_default=False,
                          help="Push it to the model hub, with the recipe; see hf auth login.")
    ] = "",
    private: Annotated[
        bool, typer.Option("--private", help="Push to a private repository.")
    ] = False,
    revision: Annotated[
        str, typer.Option(metavar="BRANCH", help="Branch to push to.", show_default="main")
    ] = "",
    output: Annotated[Format, typer.Option("--format", help="Format of the output.")]
    = Format.table,
) -> None:  # fmt: skip
    """Export a trained run for other programs, with a model card.

    Exports the newest checkpoint. The code in the model card needs only diffusers.

    Examples:
      toolkit export runs/nad-ea-dists

      toolkit export runs/nad-ea-dists --keys comfyui --out lora/

      toolkit export runs/nad-ea-dists --to merged --out model/

      toolkit export runs/nad-ea-dists --push me/my-restorer
    """
    registry = load_registry()
    if push:
        push_to_hub(
            run, registry, push, out, form.value, keys.value, output,
            private=private, revision=revision,
        )  # fmt: skip
        return
    if private or revision:
        raise UsageError("--private and --revision are for --push.", "Add --push OWNER/NAME")
    from toolkit.exporting import export_run
    from toolkit.runs import Run

    folder = out or run / f"export-{form.value}"
    with working():
        made = export_run(Run(run), registry, folder, form.value, keys.value)
    if output is Format.json:
        sizes = {name: (folder / name).stat().st_size for name in made.files}
        show_json({
            "run": str(run), "step": made.step, "to": form.value, "keys": keys.value,
            "folder": str(folder),
            "files": [{"name": name, "bytes": size} for name, size in sizes.items()],
        })  # fmt: skip
        return
    print(f"{run}, step {made.step} → {folder}")
    for name in made.files:
        print(f"  {name:<44}  {_size((folder / name).stat().st_size):>9}")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
