"""Exports a run or a restorer as an ONNX graph, and a model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from toolkit.checkpoints import read_metadata
from toolkit.errors import UnknownComponentError
from toolkit.exporting.card import (
    Base,
    Export,
    base_of,
    finish,
    front_matter,
    licence,
    shown,
    training,
)
from toolkit.files import appearing_folder
from toolkit.graphs import check_installed, write_graph
from toolkit.runs import Run, run_named
from toolkit.specs import Selection

if TYPE_CHECKING:
    from toolkit.interfaces import Restorer
    from toolkit.registry import Registry

GRAPH = "model.onnx"


class _Source(NamedTuple):
    """A restorer, and what is known of it."""

    restorer: Restorer
    base: Base
    properties: dict[str, str]
    """Metadata of the graph."""
    sections: tuple[str, ...]
    """Of the card, after the code."""
    step: int | None


def export_graph(name: str, registry: Registry, out: Path) -> Export:
    """Writes a graph from LR to SR into a new folder, atomically.

    Args:
        name: Folder of a run, whose newest checkpoint is taken, or name of a restorer.
        registry: Supplies its components.
        out: The folder, which may exist if it is empty.

    Raises:
        UsageError: The extra `onnx` is not installed, there is no such run, the restorer cannot be
            a graph, or `out` is not free.
        UnknownComponentError: There is no such restorer.
        CheckpointError: The checkpoint is missing, damaged, or of another backbone.
    """
    check_installed()
    run, names = run_named(name, registry), {c.name for c in registry.components("restorer")}
    is_run = run.exists or (run.folder.is_dir() and name not in names)
    with appearing_folder(out) as folder:
        source = _of_run(name, run, registry) if is_run else _of_restorer(name, registry)
        write_graph(source.restorer, folder / GRAPH, source.properties)
        head = front_matter(source.base, "onnx", "onnx")
        return finish(folder, source.step, head, _use(source, folder), *source.sections)


def _of_run(name: str, run: Run, registry: Registry) -> _Source:
    checkpoint, recipe = run.latest(), run.recipe()
    step, base = int(read_metadata(checkpoint)["step"]), base_of(recipe, registry)
    plain = shown(recipe.model_dump(mode="json", exclude={"provenance"}))
    properties = {
        "run": Path(name).resolve().name, "step": str(step), "recipe": json.dumps(plain),
        "licence": base.licence,
    }  # fmt: skip
    restorer = run.restorer(registry, "float32", checkpoint)
    return _Source(restorer, base, properties, (training(recipe, step), licence(base)), step)


def _of_restorer(name: str, registry: Registry) -> _Source:
    try:
        selection = registry.expand("restorer", Selection(use=name))
        component = registry.find("restorer", selection.name)
    except UnknownComponentError as error:
        raise UnknownComponentError(
            f"{name}: there is no such run, and no such restorer. {error}",
            f"Name a run's folder, such as runs/nad-ea-dists. {error.hint}",
        ) from None
    restorer: Restorer = registry.make("restorer", selection)
    base = Base(component.name, False, component.licence, "")
    properties = {"restorer": component.name, "licence": component.licence}
    about = f"## About\n\n{component.summary}.\n"
    about += f"\nPaper: {component.paper}.\n" if component.paper else ""
    terms = f"## Licence\n\nThe weights of `{component.name}`: {component.licence}.\n"
    return _Source(restorer, base, properties, (about, terms), None)


def _use(source: _Source, folder: Path) -> str:
    scale = source.restorer.scale
    beside = [path.name for path in folder.iterdir() if path.name != GRAPH]
    weights = f"; its weights are in `{beside[0]}`, which must lie beside it" if beside else ""
    return f"""\
# {source.restorer.name}, as an ONNX graph

`{GRAPH}` maps `lr`, `[b, 3, h, w]`, to `sr`, `[b, 3, {scale} h, {scale} w]`: RGB, float32, in
[0, 1], of any size{weights}.

## Use

```python
import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("{GRAPH}", providers=["CPUExecutionProvider"])
photo = np.asarray(Image.open("photo.png").convert("RGB"), dtype=np.float32)
lr = photo.transpose(2, 0, 1)[None] / 255
[sr] = session.run(["sr"], {{"lr": lr}})
pixels = (255 * sr[0]).round().astype(np.uint8).transpose(1, 2, 0)
Image.fromarray(pixels).save("restored.png")
```

It needs onnxruntime, NumPy and Pillow. Memory grows with the image, so divide large ones into
tiles: `toolkit restore --engine onnx` does, and also corrects colours.
"""
