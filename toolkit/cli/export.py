"""`toolkit export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.output import Format, load_registry, show_json, working
from toolkit.cli.pushing import push as push_to_hub
from toolkit.errors import UsageError
from toolkit.paths import user_path

if TYPE_CHECKING:
    from toolkit.exporting.weights import Form as Weights


class Form(StrEnum):
    """Forms of an export."""

    diffusers = "diffusers"
    merged = "merged"
    onnx = "onnx"


class Keys(StrEnum):
    """Naming schemes of LoRA weights."""

    diffusers = "diffusers"
    comfyui = "comfyui"


def export(
    name: Annotated[
        str,
        typer.Argument(metavar="RUN|NAME",
                       help="A run's folder; with --to onnx, or a restorer."),
    ],
    form: Annotated[
        Form,
        typer.Option("--to", help="diffusers: a LoRA and the embeddings, to use with the base's "
                     "weights; merged: whole networks in diffusers' layout; onnx: one "
                     "graph from LR to SR."),
    ] = Form.diffusers,
    keys: Annotated[
        Keys, typer.Option(help="Naming scheme of the LoRA weights.")
    ] = Keys.diffusers,
    out: Annotated[
        Path | None,
        typer.Option(parser=user_path, metavar="DIR",
                     help="A new folder.", show_default="RUN/export-FORM or NAME-FORM"),
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
    """Export a trained run, or a restorer, for other programs, with a model card.

    Exports the newest checkpoint. The code in the model card needs only diffusers, or only ONNX
    Runtime.

    Examples:
      toolkit export runs/nad-ea-dists

      toolkit export runs/nad-ea-dists --keys comfyui --out lora/

      toolkit export runs/nad-ea-dists --to merged --out model/

      toolkit export runs/nad-ea-dists --push me/my-restorer

      toolkit export real-esrgan --to onnx
    """
    registry = load_registry()
    if push:
        if form is Form.onnx:
            raise UsageError("--push takes a run's weights, not a graph.", "Leave --to onnx out.")
        push_to_hub(
            user_path(name), registry, push, out, _weights_form(form), keys.value, output,
            private=private, revision=revision,
        )  # fmt: skip
        return
    if private or revision:
        raise UsageError("--private and --revision are for --push.", "Add --push OWNER/NAME")
    from toolkit.exporting import export_graph, export_run
    from toolkit.runs import run_named

    run = run_named(name, registry)
    folder = out or _folder(name, form, is_folder=run.folder == user_path(name))
    with working():
        if form is Form.onnx:
            made = export_graph(name, registry, folder)
        else:
            made = export_run(run, registry, folder, _weights_form(form), keys.value)
    if output is Format.json:
        sizes = {file: (folder / file).stat().st_size for file in made.files}
        show_json({
            "run": name, "step": made.step, "to": form.value, "keys": keys.value,
            "folder": str(folder),
            "files": [{"name": file, "bytes": size} for file, size in sizes.items()],
        })  # fmt: skip
        return
    print(f"{name}{'' if made.step is None else f', step {made.step}'} → {folder}")
    for file in made.files:
        print(f"  {file:<44}  {_size((folder / file).stat().st_size):>9}")


def _weights_form(form: Form) -> Weights:
    return "merged" if form is Form.merged else "diffusers"


def _folder(name: str, form: Form, *, is_folder: bool) -> Path:
    """The new folder: in that of a run, or in the current one for a restorer by its name."""
    if is_folder and user_path(name).is_dir():
        return user_path(name) / f"export-{form.value}"
    component, _, variant = name.partition(":")
    return Path("-".join(filter(None, [component, Path(variant).stem, form.value])))


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
