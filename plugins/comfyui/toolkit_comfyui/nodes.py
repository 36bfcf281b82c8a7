"""The nodes, in the V3 schema. This module needs ComfyUI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from comfy import model_management
from comfy.utils import ProgressBar
from comfy_api.latest import ComfyExtension, io

from toolkit.errors import ToolkitError

from . import restoring

if TYPE_CHECKING:
    from torch import Tensor

_ACTIVATIONS = 2 << 30
"""Bytes that a tile needs beside the weights, at least."""


class Restore(io.ComfyNode):  # type: ignore[misc]
    """Restores images as `toolkit restore` does."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describes the node; lists the restorers that are installed."""
        return io.Schema(
            node_id="RestorationToolkitRestore",
            display_name="Restore (Restoration Toolkit)",
            category="image/upscaling",
            description="Restores and enlarges photographs with one of the installed restorers.",
            inputs=_inputs(),
            outputs=[
                io.Image.Output("restored", display_name="IMAGE"),
                io.Mask.Output(
                    "restored_mask", display_name="MASK",
                    tooltip="The mask in the size of the result.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, source: str = "", **_inputs: Any) -> str:
        """Changes when a run was trained further, so that the node is executed again."""
        return restoring.state_of(source)

    @classmethod
    def execute(
        cls, image: Tensor, restorer: str, precision: str = "auto", source: str = "",
        mask: Tensor | None = None, **treatment: Any,
    ) -> Any:  # fmt: skip
        """Restores `[b, h, w, c]`; see the schema for the inputs."""
        source, bar = source.strip(), ProgressBar(len(image))
        settings = _settings(**treatment)
        # Weights that are loaded in ComfyUI's inference mode could not be changed outside of it.
        with torch.inference_mode(False), torch.no_grad():
            try:
                state = restoring.state_of(source)
                loaded = restoring.load(source or restorer, precision, state)
                restored = _restored(loaded, image, bar.update_absolute, settings)
            except ToolkitError as error:
                raise RuntimeError(error.told) from error
            return io.NodeOutput(restored, restoring.enlarged_mask(mask, restored))


class Extension(ComfyExtension):  # type: ignore[misc]
    """What the package adds to ComfyUI."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Returns the nodes."""
        return [Restore]


def _inputs() -> list[Any]:
    names = restoring.restorers()
    return [
        io.Image.Input("image"),
        io.Combo.Input("restorer", options=names, default=names[0] if names else None),
        io.Float.Input(
            "scale", default=0.0, min=0.0, max=16.0, step=0.25,
            tooltip="Factor for both sides; 0 for the restorer's own, which is the largest.",
        ),
        io.Int.Input(
            "max_side", default=0, min=0, max=65536,
            tooltip="Limit of the result's longer side in pixels; 0 for none.",
        ),
        io.Float.Input(
            "strength", default=1.0, min=0.0, max=1.0, step=0.05,
            tooltip="From 0, the enlarged input, to 1, the full restoration.",
        ),
        io.Int.Input(
            "tile", default=-1, min=-1, max=65536,
            tooltip="Side of the tiles in input pixels; 0 for whole images; -1 chooses by the "
            "image's size and the free memory.",
        ),
        io.Combo.Input(
            "colour", options=["auto", "wavelet", "adain", "none"], default="auto",
            tooltip="How the result gets the colours of the input.",
        ),
        io.Combo.Input(
            "precision", options=["auto", "float32", "bfloat16", "float16"], default="auto",
            optional=True,
            tooltip="Of the networks; auto for the restorer's own.",
        ),
        io.String.Input(
            "source", default="", optional=True,
            tooltip="Instead of the restorer above: a run's folder, one of its checkpoints, "
            "hub:OWNER/NAME, or a restorer with its option, as spandrel:FILE.",
        ),
        io.Mask.Input(
            "mask", optional=True, tooltip="Is enlarged to the size of the result, and passed on."
        ),
    ]  # fmt: skip


def _settings(
    scale: float, max_side: int, strength: float, tile: int, colour: str
) -> dict[str, Any]:
    """Returns the arguments of `Loaded.__call__`, with None for what is left open."""
    return {
        "scale": scale or None,
        "max_side": max_side or None,
        "strength": strength,
        "tile": None if tile < 0 else tile,
        "colour": None if colour == "auto" else colour,
    }


def _restored(loaded: Any, image: Tensor, progress: Any, settings: dict[str, Any]) -> Tensor:
    """Restores on ComfyUI's device, and leaves the restorer in main memory."""
    device = model_management.get_torch_device()
    if device.type == "cpu":
        return restoring.restore(loaded, image, progress, **settings)
    model_management.free_memory(restoring.bytes_of(loaded) + _ACTIVATIONS, device)
    try:
        return restoring.restore(loaded.to(str(device)), image, progress, **settings)
    finally:
        loaded.to("cpu")
        model_management.soft_empty_cache()
