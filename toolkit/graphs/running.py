"""Restores with an ONNX graph, in ONNX Runtime on the processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import torch

from toolkit.errors import ToolkitError
from toolkit.graphs.installed import check_installed

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

INPUT, OUTPUT, SCALE = "lr", "sr", "scale"
"""Names of the graph's input and output, and of its scale among the metadata."""


class GraphRestorer:
    """A graph of `write_graph` as a `Restorer`; it uses as many threads as PyTorch.

    Args:
        path: The graph's file.
        name: Name of the restorer; by default that of the file.
        avoids_tiles: See `toolkit.abilities.AvoidsTiles`.
        matches_colours: See `toolkit.abilities.MatchesColours`.

    Raises:
        UsageError: The extra `onnx` is not installed.
        ToolkitError: The file is damaged, or no graph from LR to SR.
    """

    def __init__(
        self,
        path: Path,
        name: str = "",
        *,
        avoids_tiles: bool = False,
        matches_colours: bool = False,
    ) -> None:
        check_installed()
        self.name = name or path.stem
        self.avoids_tiles, self.matches_colours = avoids_tiles, matches_colours
        try:
            self._session = _session(path)
            self.scale = int(self._session.get_modelmeta().custom_metadata_map[SCALE])
        except Exception as error:  # ONNX Runtime has an exception of its own for each state
            raise ToolkitError(
                f"{path} is no graph that restores, or is damaged: {_first_line(error)}",
                "Export it again: toolkit export NAME --to onnx",
            ) from error

    def __call__(self, lr: Tensor) -> Tensor:
        """Restores `[b, 3, h, w]`; returns `[b, 3, scale * h, scale * w]`, in [0, 1], on the CPU.

        Raises:
            MemoryError: Memory does not suffice.
        """
        try:
            [sr] = self._session.run([OUTPUT], {INPUT: lr.detach().cpu().float().numpy()})
        except RuntimeError as error:
            if "alloc" in str(error).lower():
                raise MemoryError(_first_line(error)) from error
            raise
        return torch.from_numpy(sr)

    def to(self, device: torch.device) -> Self:  # noqa: ARG002
        """Does nothing: ONNX Runtime works on the processor."""
        return self


def _session(path: Path) -> Any:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Memory is freed after each image, as tiles and photographs differ in size.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4  # errors are raised, too
    return InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
